"""The differences of shares between two runs as a picture: a bar for each interval, every figure readable beside it."""

from __future__ import annotations

from collections.abc import Sequence

from reports.compare.records import BehaviourRow, Couple
from reports.compare.words import is_still
from reports.forest import Bar, Forest, forest_pictures
from reports.statistics import Interval

STYLE = {"higher": ("good", "o"), "lower": ("bad", "D")}


def differences(couple: Couple, place: int) -> str:
    """An SVG of the shares (win rates, rates) whose difference has an interval, for a desk and for a phone; empty where
    there is none."""
    shown = [
        (row, found)
        for row in couple.behaviours
        if row.scale == "share"
        and not is_still(row)
        and (found := row.difference) is not None
        and found.low is not None
    ]
    if not shown:
        return ""
    drawn = _forest(shown)
    told = "; ".join(
        f"{row.label} {drawn.words(bar)} points, n = {bar.interval.n}"
        for (row, _), bar in zip(shown, drawn.bars, strict=True)
    )
    return forest_pictures(drawn, f"differences-{place}", f"Differences between the runs with intervals: {told}")


def _forest(shown: Sequence[tuple[BehaviourRow, Interval]]) -> Forest:
    reach = max(5.0, *(100 * abs(end) for _, one in shown for end in (one.low or 0.0, one.high or 0.0))) * 1.08
    return Forest(
        bars=[_bar(row, interval) for row, interval in shown],
        null=0,
        span=(-reach, reach),
        axis="difference of the changes, points",
        head="points [interval]",
        digits=1,
        signed=True,
    )


def _bar(row: BehaviourRow, interval: Interval) -> Bar:
    colour, marker = STYLE.get(row.outcome, ("quiet", "o"))
    return Bar(row.label, interval, colour, marker, row.outcome in STYLE)
