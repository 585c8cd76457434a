"""The dial: what becomes of the labels as weight moves from one axis of the constitution to another. Asks no judge.

At t the first axis' weights are taken 2 (1 - t) times and the second's 2 t times, all others as they are: t = 1/2 is
the constitution itself, at 0 the second axis has no say, at 1 the first has none. Over every judged pair, but for
`trained_flipped`. Intervals are over prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field

from constitution.errors import ConfigError, DataError, Problem
from constitution.model import Constitution
from constitution.record import Record
from generate.records import Pair
from judge.aggregate import Outcome, side
from judge.agreement import Leaning, Rate, rate
from judge.pivotal import change, standing, without
from judge.records import Label

POINTS = 11


class DialPoint(Record):
    """The labels at one position of the dial."""

    t: float = Field(ge=0, le=1)
    """0: all to the first axis; 1: all to the second."""
    labelled: int
    """Pairs that the rule decides there."""
    flipped: Rate
    """Of the pairs that are decided at 1/2 and at t: decided for the other answer."""
    vanished: int
    """Pairs decided at 1/2 and not at t."""
    appeared: int
    """Pairs decided at t and not at 1/2."""
    trained_flipped: Rate
    """The same as `flipped`, of the pairs that the run trained on."""
    agrees_first: Rate
    """Of the pairs decided at t and by the first axis alone: on the first axis' side."""
    agrees_second: Rate
    """The same for the second axis."""


class Dial(Record):
    """The positions between two axes."""

    first: str
    """The axis at t = 0."""
    second: str
    """The axis at t = 1."""
    points: tuple[DialPoint, ...]
    """In the order of t."""


class _Row(NamedTuple):
    label: Label
    prompt: str
    now: Outcome
    first: Outcome
    second: Outcome


def dialled(constitution: Constitution, first: str, second: str, t: float) -> Constitution:
    """The constitution at t. Not checked again: at 0 and 1 a rule's list may name principles without a weight."""
    factor = {first: 2 * (1 - t), second: 2 * t}
    turned = [p.model_copy(update={"weight": p.weight * factor.get(p.axis, 1.0)}) for p in constitution.principles]
    return constitution.model_copy(update={"principles": tuple(turned)})


def dial(
    pairs: Sequence[Pair],
    labels: Sequence[Label],
    constitution: Constitution,
    first: str,
    second: str,
    points: int = POINTS,
) -> Dial:
    """The labels at `points` positions, evenly spaced from 0 to 1.

    Raises DataError if the constitution has no principle with a weight on one of the axes, or they are the same.
    """
    assert points >= 2, "a dial has two ends"
    check_axes(constitution, first, second)
    rows = [
        _Row(
            label,
            pair.prompt.key,
            standing(label, constitution),
            _alone(label, constitution, first),
            _alone(label, constitution, second),
        )
        for pair, label in zip(pairs, labels, strict=True)
    ]
    positions = [i / (points - 1) for i in range(points)]
    found = tuple(_point(rows, dialled(constitution, first, second, t), t) for t in positions)
    return Dial(first=first, second=second, points=found)


def two_axes(given: str) -> tuple[str, str]:
    """`A:B`. Raises ConfigError for anything else."""
    first, _, second = given.partition(":")
    if not first or not second:
        raise ConfigError([Problem("--dial", 0, 1, f"`{given}` must name two axes, like helpfulness:safety")])
    return first, second


def check_axes(constitution: Constitution, first: str, second: str) -> None:
    """Raises DataError if a dial cannot be turned between these two."""
    fault = axes_fault(constitution, first, second)
    if fault:
        raise DataError(f"--dial {first}:{second}: {fault}")


def axes_fault(constitution: Constitution, first: str, second: str) -> str | None:
    """Why a dial cannot be turned between these two; None where it can."""
    axes = sorted({p.axis for p in constitution.principles if p.weight > 0})
    wrong = [axis for axis in (first, second) if axis not in axes]
    if not wrong and first != second:
        return None
    fault = f"no principle with a weight is on axis `{wrong[0]}`" if wrong else "a dial needs two different axes"
    return f"{fault}; the constitution has: {', '.join(axes)}"


def _alone(label: Label, constitution: Constitution, axis: str) -> Outcome:
    return without(label, constitution, {p.id for p in constitution.principles if p.axis != axis})


def _point(rows: Sequence[_Row], constitution: Constitution, t: float) -> DialPoint:
    there = [(row, standing(row.label, constitution)) for row in rows]
    changes = [change(row.now, then) for row, then in there]
    return DialPoint(
        t=t,
        labelled=sum(then.p is not None for _, then in there),
        flipped=_differ([(row.prompt, row.now, then) for row, then in there]),
        vanished=changes.count("vanishes"),
        appeared=changes.count("appears"),
        trained_flipped=_differ([(row.prompt, row.now, then) for row, then in there if row.label.p is not None]),
        agrees_first=_differ([(row.prompt, row.first, then) for row, then in there], differ=False),
        agrees_second=_differ([(row.prompt, row.second, then) for row, then in there], differ=False),
    )


def _differ(rows: Sequence[tuple[str, Outcome, Outcome]], differ: bool = True) -> Rate:
    """How often two labels, where there are both, take different sides (or the same)."""
    return rate(
        Leaning(prompt, (side(one.p) != side(two.p)) == differ)
        for prompt, one, two in rows
        if one.p is not None and two.p is not None
    )
