"""The lines of metrics.jsonl, fewer of them: neighbouring steps as one row that holds their means.

A page has room for some hundreds of points. A row of several steps is as a row of one step with all their pairs: `n` is
their sum, a principle's `pull` times `n` is the sum of theirs. What is measured on held-out pairs stands as it was
measured, at its own step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

MOST_ROWS = 400
"""Steps shown one by one; of more, neighbours are put together."""
MEASURED_AFTER = ("principles", "watch")
"""What is measured with the weights after the step, besides `heldout_...`."""


def size_for(steps: int) -> int:
    """How many steps go into a row."""
    return max(1, -(-steps // MOST_ROWS))


def thinned(rows: Iterable[Mapping[str, Any]], size: int) -> Iterator[dict[str, Any]]:
    """At most `size` steps a row; `steps` says how many. A row ends with a measurement where it is half full.

    With a size of 1 the rows are as they came.
    """
    held: list[Mapping[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) >= size or (2 * len(held) >= size and "principles" in row):
            yield _merged(held) if size > 1 else dict(row)
            held = []
    if held:
        yield _merged(held)


def _merged(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = rows[-1]
    merged: dict[str, Any] = {"step": last.get("step"), "steps": len(rows)}
    if any("n" in row for row in rows):
        merged["n"] = sum(row.get("n", 0) for row in rows)
    own = [name for name in dict.fromkeys(name for row in rows for name in row) if not _measured_after(name)]
    for name in own:
        if name not in merged and name != "batch_principles":
            merged[name] = _mean(rows, name, lambda row: row.get("n", 1))
    if any("batch_principles" in row for row in rows):
        merged["batch_principles"] = _principles(rows)
    return merged | {name: value for name, value in last.items() if _measured_after(name)}


def _measured_after(name: str) -> bool:
    return name.startswith("heldout_") or name in MEASURED_AFTER


def _mean(rows: Sequence[Mapping[str, Any]], name: str, weight: Callable[[Mapping[str, Any]], float]) -> Any:
    """The weighted mean of what the rows say under this name; of what is no number, what the last one says."""
    found = [(row[name], weight(row)) for row in rows if row.get(name) is not None]
    if not found or any(isinstance(value, bool) or not isinstance(value, int | float) for value, _ in found):
        return rows[-1].get(name)
    total = sum(weight for _, weight in found)
    return sum(value * weight for value, weight in found) / total if total else None


def _principles(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every principle's figures over the rows' pairs."""
    by_row = [row.get("batch_principles", {}) for row in rows]
    ids = dict.fromkeys(principle for figures in by_row for principle in figures)
    return {principle: _figures(rows, [figures.get(principle) for figures in by_row]) for principle in ids}


def _figures(rows: Sequence[Mapping[str, Any]], by_row: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    given = [figures for figures in by_row if figures is not None]
    found: dict[str, Any] = {name: sum(figures.get(name, 0) for figures in given) for name in ("n", "decided")}
    found["margin"] = _mean(given, "margin", lambda figures: figures["n"])
    found["accuracy"] = _mean(given, "accuracy", lambda figures: figures["decided"])
    if any("pull" in figures for figures in given):
        found["pull"] = _pull(rows, by_row)
    return found


def _pull(rows: Sequence[Mapping[str, Any]], by_row: Sequence[Mapping[str, Any] | None]) -> float | None:
    """The mean over all the rows' pairs; a row without the principle has none of it."""
    pulls = [
        (0.0 if figures is None else figures.get("pull"), row["n"]) for row, figures in zip(rows, by_row, strict=True)
    ]
    total = sum(n for _, n in pulls)
    if not total or any(pull is None for pull, _ in pulls):
        return None
    return float(sum(pull * n for pull, n in pulls if pull is not None) / total)
