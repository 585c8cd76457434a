"""Whether the dial does what its axes say: the margin along each, from the position at one end to that at the other."""

from __future__ import annotations

from reports.statistics import Interval
from reports.text import interval_text, number
from reports.trace.records import Frontier


def dial_sentences(found: Frontier) -> list[str]:
    """One an axis: that its margin rises towards it as one expects, that it falls, or that no trend is detected."""
    first, last = found.points[0], found.points[-1]
    return [
        _sentence(found.second, found.first, found.turn_second, first.predicted_second, last.predicted_second),
        _sentence(found.first, found.second, found.turn_first, last.predicted_first, first.predicted_first),
    ]


def _sentence(axis: str, away: str, turn: Interval | None, at_other: Interval, at_own: Interval) -> str:
    """`turn` is the margin at the axis' own end less that at the other's, paired by prompt."""
    ends = (
        f"{number(at_other.estimate, 2)} with all weight to {away} to {number(at_own.estimate, 2)} with all to {axis}"
    )
    moved = f"From {away} to {axis}, the margin along {axis} goes from {ends}"
    if turn is None:
        untold = "An older version left this trace, without an interval of that difference"
        falls = "it falls, where one expects a rise" if at_own.estimate < at_other.estimate else "it rises"
        return f"{moved}: {falls}. {untold}: `preceptor trace RUN.yaml` makes it again."
    told = interval_text(turn, share=False, digits=2, signed=True)
    if not turn.excludes_zero or turn.low == turn.high:
        against = ", and the estimate is not on the side that one expects" if turn.estimate < 0 else ""
        return f"{moved}, a difference of {told}: no trend is detected{against}."
    if turn.estimate > 0:
        return f"{moved}, a difference of {told}: it rises, as one expects."
    return (
        f"{moved}, a difference of {told}: it falls, where one expects a rise; the dial does not do here what it says."
    )
