"""The behaviours and the changed labels of a comparison as tables."""

from __future__ import annotations

from reports.compare.records import Couple, LabelChange, RunsCompared
from reports.twins import Row, csv_text


def comparison_csv(found: RunsCompared) -> str:
    """A row for each behaviour of each couple; `first` and `other` are the changes."""
    rows: list[Row] = [
        {"first_run": couple.first, "other_run": couple.other, **row.model_dump(mode="json")}
        for couple in found.couples
        for row in couple.behaviours
    ]
    return csv_text(rows, "first_run")


def labels_csv(found: RunsCompared) -> str:
    """A row for each pair of each couple whose label is not the same in both runs."""
    rows = [
        _change(couple, one)
        for couple in found.couples
        if couple.labels and couple.labels.judged
        for one in couple.labels.judged.changed
    ]
    return csv_text(rows, "first_run")


def _change(couple: Couple, one: LabelChange) -> Row:
    return {
        "first_run": couple.first,
        "other_run": couple.other,
        **one.model_dump(mode="json", exclude={"pair"}),
        "pair": one.pair.key,
        "prompt": "\n\n".join(message.content for message in one.pair.prompt.conversation),
        "a": one.pair.a.text,
        "b": one.pair.b.text,
    }


def labels_beside(csv_at: str) -> str:
    """Where the changed labels are, beside the behaviours: `found.csv` has `found-labels.csv`."""
    return f"{csv_at.removesuffix('.csv')}-labels.csv"
