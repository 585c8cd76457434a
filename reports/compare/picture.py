"""The differences of shares between two runs as a picture: a bar for each interval, every figure readable beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.compare.records import BehaviourRow, Couple
from reports.compare.words import is_still
from reports.figures import COLOURS, blank_figure, short, svg
from reports.statistics import Interval
from reports.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES, HEAD_INCHES = 0.36, 0.85
STYLE = {"higher": ("good", "o"), "lower": ("bad", "D")}
VALUES_AT, N_AT = 1.05, 1.78
"""Where the figures stand, in widths of the axes."""


def differences(couple: Couple, place: int) -> str:
    """An SVG of the shares (win rates, rates) whose difference has an interval; empty where there is none."""
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
    height = HEAD_INCHES + ROW_INCHES * len(shown)
    figure = blank_figure(height)
    axes = figure.add_axes((0.3, 0.5 / height, 0.38, 1 - HEAD_INCHES / height))
    for y, (row, found) in enumerate(reversed(shown)):
        _row(axes, y, row, found)
    _frame(axes, [row for row, _ in reversed(shown)], [found for _, found in shown])
    return svg(figure, f"differences-{place}", f"Differences between the runs with intervals: {alternative(shown)}")


def alternative(shown: Sequence[tuple[BehaviourRow, Interval]]) -> str:
    """What the picture shows, for who does not see it."""
    return "; ".join(f"{row.id} {_words(found)} points, n = {found.n}" for row, found in shown)


def _words(found: Interval) -> str:
    ends = f"[{percent(found.low, 1)}, {percent(found.high, 1)}]"
    return f"{percent(found.estimate, 1, signed=True)} {ends}"


def _row(axes: Axes, y: int, row: BehaviourRow, found: Interval) -> None:
    assert found.low is not None
    assert found.high is not None
    colour, marker = STYLE.get(row.outcome, ("quiet", "o"))
    face = COLOURS[colour] if row.outcome in STYLE else "none"
    ink = COLOURS[colour]
    aside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    axes.plot([100 * found.low, 100 * found.high], [y, y], color=ink, linewidth=2, solid_capstyle="round", zorder=3)
    axes.plot([100 * found.estimate], [y], marker, color=ink, markerfacecolor=face, markersize=7, zorder=4)
    axes.text(VALUES_AT, y, _words(found), color=COLOURS["ink"], **aside)
    axes.text(N_AT, y, str(found.n), color=COLOURS["quiet"], ha="right", **aside)


def _frame(axes: Axes, rows: Sequence[BehaviourRow], intervals: Sequence[Interval]) -> None:
    reach = max(5.0, *(100 * abs(end) for one in intervals for end in (one.low or 0.0, one.high or 0.0))) * 1.08
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.axvline(0, color=COLOURS["quiet"], linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.set_xlabel("difference of the changes, points", color=COLOURS["quiet"])
    top = len(rows) - 0.25
    quiet: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "color": COLOURS["quiet"]}
    axes.text(VALUES_AT, top, "points [interval]", **quiet)
    axes.text(N_AT, top, "n", ha="right", **quiet)
    axes.set_yticks(range(len(rows)), [short(row.id) for row in rows], color=COLOURS["ink"])
    axes.tick_params(axis="x", color=COLOURS["rule"], labelcolor=COLOURS["quiet"], length=3)
    axes.tick_params(axis="y", length=0)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(COLOURS["rule"])
