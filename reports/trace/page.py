"""What the report shows of a trace: two matrices with intervals, the answers with who taught them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from constitution.record import Record
from reports.behaviour import interval_alone
from reports.matrix_figure import Effect, Matrix, matrices
from reports.statistics import Interval, holm, is_found
from reports.text import interval_text
from reports.trace.fidelity import words as fidelity_words
from reports.trace.records import Moved, PairPart, TraceReport

PAIRS_SHOWN = 3
PARTS = "What each principle's votes moved of the margins of"
PREDICTED = "What leaving each principle out is predicted to do to the margins of"


class TraceSection(NamedTuple):
    """Sentences and pictures; `moved` and `predicted` are empty where they cannot be told. `prompts` has for each
    behaviour the held-out prompts behind its column in either picture; `tested` by kind of cell how many were tested
    together; `untested`: an older version left intervals without p-values."""

    sentences: list[str]
    moved: list[Matrix]
    predicted: list[Matrix]
    fidelity: str
    corrected: list[str]
    prompts: dict[str, int]
    tested: dict[str, int]
    untested: bool


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
    p: float | None
    """Two-sided p-value (Student's t over prompts) of no effect."""
    p_holm: float | None = None
    """The same, adjusted for all cells of its matrix (Holm)."""
    found: bool = False
    """Whether 0 lies outside of its interval and `p_holm` agrees: what the page colours."""


def trace_section(found: TraceReport) -> TraceSection:
    """What the page shows; the twins have the rest."""
    cells = trace_rows(found)
    return TraceSection(
        moved_sentences(found, cells),
        _pictures([cell for cell in cells if cell.kind == "part"], "trace", PARTS),
        _pictures([cell for cell in cells if cell.kind == "without"], "whatif", PREDICTED),
        fidelity_words(found.fidelity),
        [one.principle for one in found.without if one.corrected],
        {cell.behaviour: cell.effect.n for cell in cells},
        {kind: sum(cell.kind == kind and cell.p is not None for cell in cells) for kind in ("part", "without")},
        any(cell.p is None and cell.effect.low is not None for cell in cells),
    )


def trace_rows(found: TraceReport) -> list[TracePart]:
    """Both matrices, cell by cell, each tested as one family."""
    order = {name: place for place, name in enumerate(one.principle for one in found.without)}
    parts = [
        TracePart(kind="part", principle=part.principle, behaviour=name, effect=part.contribution, p=part.p)
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
            p=behaviour.p,
        )
        for one in found.without
        for behaviour in sorted(one.behaviours, key=lambda behaviour: order.get(behaviour.principle, len(order)))
    ]
    return _tested(parts) + _tested(predicted)


def _tested(cells: list[TracePart]) -> list[TracePart]:
    adjusted = holm({f"{cell.principle} {cell.behaviour}": cell.p for cell in cells})
    p_holm = [adjusted[f"{cell.principle} {cell.behaviour}"] for cell in cells]
    return [
        cell.model_copy(update={"p_holm": p, "found": is_found(cell.effect, p)})
        for cell, p in zip(cells, p_holm, strict=True)
    ]


def most(parts: Sequence[PairPart]) -> Sequence[PairPart]:
    """The first few."""
    return parts[:PAIRS_SHOWN]


def _pictures(cells: Sequence[TracePart], name: str, title: str) -> list[Matrix]:
    columns = list(dict.fromkeys(cell.behaviour for cell in cells))
    # In the order of the behaviours, so that what a principle did to its own margin lies on the diagonal.
    there = {cell.principle for cell in cells}
    rows = [*(one for one in columns if one in there), *sorted(there - set(columns))]
    effects = {
        (cell.principle, cell.behaviour): Effect(cell.effect.estimate, cell.effect.low, cell.effect.high, cell.found)
        for cell in cells
    }
    return matrices(rows, columns, effects, name, title)


def moved_sentences(found: TraceReport, cells: Sequence[TracePart]) -> list[str]:
    """`short-answer: its margin rose by 0.42 [0.3, 0.5], n = 16: most by ...`, one for each behaviour. `cells` are its
    `trace_rows`."""
    parts = {(cell.principle, cell.behaviour) for cell in cells if cell.kind == "part" and cell.found}
    p_holm = holm({name: moved.p for name, moved in found.behaviours.items()})
    lines = []
    for name, moved in found.behaviours.items():
        behind = _behind(name, moved, parts) if is_found(moved.measured, p_holm[name]) else ""
        lines.append(f"{name}: {_change(moved.measured, p_holm[name])}{behind}")
    return lines


def _change(measured: Interval, p_holm: float | None) -> str:
    if is_found(measured, p_holm):
        return f"its margin {'rose' if measured.estimate > 0 else 'fell'} by {_shown(measured)}"
    doubt = f"; {interval_alone(p_holm, 'margins')}" if measured.excludes_zero and p_holm is not None else ""
    return f"no detectable change of its margin on held-out pairs ({_shown(measured)}){doubt}"


def _behind(name: str, moved: Moved, parts: Collection[tuple[str, str]]) -> str:
    sign = 1 if moved.measured.estimate > 0 else -1
    found = [part for part in moved.principles if (part.principle, name) in parts]
    behind = [part for part in found if sign * part.contribution.estimate > 0]
    behind.sort(key=lambda part: -sign * part.contribution.estimate)
    who = "; ".join(f"{part.principle} {_shown(part.contribution)}" for part in behind[:2])
    return f": most by {who}" if who else ": no single principle's part can be told from none"


def _shown(found: Interval) -> str:
    return interval_text(found, share=False, digits=2, signed=True)
