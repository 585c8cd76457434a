"""The behaviours of a comparison as one table."""

from __future__ import annotations

from reports.compare.records import RunsCompared
from reports.twins import Row, csv_text


def comparison_csv(found: RunsCompared) -> str:
    """A row for each behaviour of each couple; `first` and `other` are the changes."""
    rows: list[Row] = [
        {"first_run": couple.first, "other_run": couple.other, **row.model_dump(mode="json")}
        for couple in found.couples
        for row in couple.behaviours
    ]
    return csv_text(rows, "first_run")
