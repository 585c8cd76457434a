"""The report as data, beside the page: one JSON with everything, and a CSV for each table.

A spreadsheet runs a cell that begins like a formula. Text cells that do are given an apostrophe in front, and so
is what follows a semicolon in them; numbers are numbers and stay as they are. The JSON holds every text unchanged.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, JsonValue

from constitution.files import write_atomically, write_json
from reports.conflicts import ConflictMap
from reports.data import ReportData
from reports.dial import Dial
from reports.trace.page import trace_rows
from reports.trace.records import Frontier

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""https://owasp.org/www-community/attacks/CSV_Injection, with the full-width forms that spreadsheets fold."""
_AFTER_SEMICOLON = re.compile(r"(;[\s\"]*)(?=[=+\-@＝＋－＠])")
"""Where a cell would begin in a spreadsheet that splits at semicolons, as in many countries."""

TRACED = {"trace.csv", "frontier.csv"}
"""Tables that not every report has."""

Row = Mapping[str, JsonValue]


def write_twins(data: ReportData, folder: Path) -> list[Path]:
    """Write 90-report.json and the tables beside it, and remove what an earlier report with a trace left; returns the
    paths."""
    write_json(folder / "90-report.json", json_safe(data.model_dump(mode="json")))
    opinion = data.second_opinion
    tables: dict[str, tuple[str, Sequence[Row]]] = {
        "behaviour.csv": ("kind", behaviour_rows(data)),
        "labels.csv": ("id", _dumped(data.labels.principles)),
        "decided.csv": ("principle", _dumped(data.conflicts.principles)),
        "conflicts.csv": ("first", conflict_rows(data.conflicts)),
        "training.csv": ("step", data.training),
        "agreement.csv": ("principle", _dumped(opinion.rows if opinion else ())),
    }
    if data.trace:
        tables["trace.csv"] = ("kind", _dumped(trace_rows(data.trace)))
        if data.trace.frontier:
            tables["frontier.csv"] = ("t", _dumped(data.trace.frontier.points))
    for gone in TRACED.difference(tables):
        (folder / gone).unlink(missing_ok=True)
    for name, (first_column, rows) in tables.items():
        write_atomically(folder / name, csv_text(rows, first_column))
    return [folder / "90-report.json", *(folder / name for name in tables)]


def behaviour_rows(data: ReportData) -> list[Row]:
    """Principles and features under the same columns: `effect` is the win rate or the difference."""
    rows: list[Row] = []
    for principle in _dumped(data.behaviour.principles):
        rows.append({"kind": "principle", "id": principle["id"], "effect": principle["win_rate"], **principle})
    for feature in _dumped(data.behaviour.features):
        rows.append({"kind": "feature", "id": feature["id"], "effect": feature["difference"], **feature})
    return [{key: value for key, value in row.items() if key not in ("win_rate", "difference")} for row in rows]


def conflict_rows(found: ConflictMap) -> list[Row]:
    """A couple a row for all pairs (`tag` is empty), and one for each prompt tag; the same columns."""
    rows: list[Row] = []
    for conflict in _dumped(found.conflicts):
        by_tag = conflict.pop("by_tag")
        assert isinstance(by_tag, dict)
        names = {"first": conflict.pop("first"), "second": conflict.pop("second")}
        everything = conflict.pop("all")
        assert isinstance(everything, dict)
        rows.append({**names, "tag": "", **everything, **conflict})
        rows += [{**names, "tag": tag, **contest} for tag, contest in by_tag.items() if isinstance(contest, dict)]
    return rows


def conflicts_csv(found: ConflictMap) -> str:
    """The map as one table."""
    return csv_text(conflict_rows(found), "first")


def conflicts_json(found: ConflictMap, dial: Dial | None, frontier: Frontier | None = None) -> str:
    """The map, the dial and the behaviour along it where there are such, under `map`, `dial` and `frontier`."""
    parts = {"map": found, "dial": dial, "frontier": frontier}
    dumped = {name: part.model_dump(mode="json") if part else None for name, part in parts.items()}
    return json.dumps(dumped, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _dumped(records: Iterable[BaseModel]) -> list[dict[str, JsonValue]]:
    return [record.model_dump(mode="json") for record in records]


def csv_text(rows: Sequence[Row], first_column: str) -> str:
    """RFC 4180 with a header: nested values as `outer.inner` columns, every row's columns, in order of appearance."""
    flat = [flatten(row) for row in rows]
    columns = list(dict.fromkeys([first_column, *(column for row in flat for column in row)]))
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in flat)
    return stream.getvalue()


def flatten(row: Row, prefix: str = "") -> dict[str, JsonValue]:
    """Nested objects as dotted names; an object that is missing (None) has no columns of its own."""
    flat: dict[str, JsonValue] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat


def _cell(value: JsonValue) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _AFTER_SEMICOLON.sub(r"\1'", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def json_safe(value: JsonValue) -> JsonValue:
    """JSON has no NaN: a loss that is one must be seen all the same, so it becomes the text `nan`, `inf` or `-inf`."""
    if isinstance(value, dict):
        return {key: json_safe(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_safe(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
