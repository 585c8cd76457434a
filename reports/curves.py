"""The trainer's metrics.jsonl as curves. Rows differ in what they hold (held-out figures come only now and then), so
every curve takes the rows that have it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

Row = Mapping[str, JsonValue]


class Curve(NamedTuple):
    """Values at optimizer steps, both of the same length."""

    steps: list[float]
    values: list[float]


def curve(rows: Sequence[Row], *path: str) -> Curve:
    """The finite values at `path` (nested keys), with the rows' `step`."""
    found = [(_finite(row, ("step",)), _finite(row, path)) for row in rows]
    points = [(step, value) for step, value in found if step is not None and value is not None]
    return Curve([step for step, _ in points], [value for _, value in points])


def _finite(row: Row, path: Sequence[str]) -> float | None:
    value: JsonValue | Row = row
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def last(rows: Sequence[Row], *path: str) -> float | None:
    """The curve's last value; None where it has none."""
    values = curve(rows, *path).values
    return values[-1] if values else None
