"""What the report shows of a trace: two matrices with intervals, the answers with who taught them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from constitution.record import Record
from reports.matrix_figure import Effect, Matrix, matrices
from reports.statistics import Interval
from reports.text import interval_text
from reports.trace.fidelity import words as fidelity_words
from reports.trace.records import Moved, PairPart, TraceReport

PAIRS_SHOWN = 3
PARTS = "What each principle's votes moved of the margins of"
PREDICTED = "What leaving each principle out is predicted to do to the margins of"


class TraceSection(NamedTuple):
    """Sentences and pictures; `moved` and `predicted` are empty where they cannot be told. `prompts` has for each
    behaviour the held-out prompts behind its column in either picture."""

    sentences: list[str]
    moved: list[Matrix]
    predicted: list[Matrix]
    fidelity: str
    corrected: list[str]
    prompts: dict[str, int]


class TracePart(Record):
    """One cell of the two matrices, for the table."""

    kind: str
    """`part`: what the principle's votes moved in the run; `without`: the predicted change without it."""
    principle: str
    """Whose votes."""
    behaviour: str
    """Whose margin on the held-out pairs."""
    effect: Interval
    """In the units of h, over held-out prompts."""
    detectable: float | None = None
    """Of a prediction: the smallest change that these prompts would show with 80 % power."""


def trace_section(found: TraceReport) -> TraceSection:
    """What the page shows; the twins have the rest."""
    cells = trace_rows(found)
    return TraceSection(
        [_sentence(name, moved) for name, moved in found.behaviours.items()],
        _pictures([cell for cell in cells if cell.kind == "part"], "trace", PARTS),
        _pictures([cell for cell in cells if cell.kind == "without"], "whatif", PREDICTED),
        fidelity_words(found.fidelity),
        [one.principle for one in found.without if one.corrected],
        {cell.behaviour: cell.effect.n for cell in cells},
    )


def trace_rows(found: TraceReport) -> list[TracePart]:
    """Both matrices, cell by cell."""
    order = {name: place for place, name in enumerate(one.principle for one in found.without)}
    parts = [
        TracePart(kind="part", principle=part.principle, behaviour=name, effect=part.contribution)
        for name, moved in found.behaviours.items()
        for part in moved.principles
    ]
    predicted = [
        TracePart(
            kind="without",
            principle=one.principle,
            behaviour=behaviour.principle,
            effect=behaviour.change,
            detectable=behaviour.detectable,
        )
        for one in found.without
        for behaviour in sorted(one.behaviours, key=lambda behaviour: order.get(behaviour.principle, len(order)))
    ]
    return parts + predicted


def most(parts: Sequence[PairPart]) -> Sequence[PairPart]:
    """The first few."""
    return parts[:PAIRS_SHOWN]


def _pictures(cells: Sequence[TracePart], name: str, title: str) -> list[Matrix]:
    columns = list(dict.fromkeys(cell.behaviour for cell in cells))
    # In the order of the behaviours, so that what a principle did to its own margin lies on the diagonal.
    there = {cell.principle for cell in cells}
    rows = [*(one for one in columns if one in there), *sorted(there - set(columns))]
    effects = {
        (cell.principle, cell.behaviour): Effect(
            cell.effect.estimate, cell.effect.low, cell.effect.high, cell.effect.excludes_zero
        )
        for cell in cells
    }
    return matrices(rows, columns, effects, name, title)


def _sentence(name: str, found: Moved) -> str:
    """`short-answer: its margin rose by 0.42 [0.3, 0.5], n = 16; most of it ...`."""
    measured = found.measured
    if not measured.excludes_zero:
        return f"{name}: no detectable change of its margin on held-out pairs ({_shown(measured)})"
    way = "rose" if measured.estimate > 0 else "fell"
    sign = 1 if measured.estimate > 0 else -1
    behind = [
        part for part in found.principles if sign * part.contribution.estimate > 0 and part.contribution.excludes_zero
    ]
    behind.sort(key=lambda part: -sign * part.contribution.estimate)
    who = "; ".join(f"{part.principle} {_shown(part.contribution)}" for part in behind[:2])
    tail = f": most by {who}" if who else ": no single principle's part can be told from none"
    return f"{name}: its margin {way} by {_shown(measured)}{tail}"


def _shown(found: Interval) -> str:
    return interval_text(found, share=False, digits=2, signed=True)
