"""Bars with intervals, a row each, every figure readable beside its bar: as wide as the page, and again for a phone.

On a phone the figures stand above their bar, for beside it there is no room; the page shows the one that fits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.behaviour import BehaviourTable, PrincipleRow
from reports.figures import COLOURS, OUTCOME_STYLE, blank_figure, short, svg
from reports.statistics import Interval
from reports.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW_INCHES = 3.9
ROW_INCHES, NARROW_ROW_INCHES, HEAD_INCHES = 0.38, 0.62, 0.85
VALUES_AT, N_AT = 1.05, 1.78
"""Where the figures stand in the wide picture, in widths of the axes."""
LINE_LETTERS, MOST_LETTERS = 25, 50
"""Letters of a name on one line, and on two."""


class Bar(NamedTuple):
    """One row: its name, its interval as a share, the colour's name and the mark, and whether it is filled."""

    name: str
    interval: Interval
    colour: str
    marker: str
    filled: bool


class Forest(NamedTuple):
    """The rows from top to bottom; `null`, in percent, is no change, and `span` what the axis holds."""

    bars: Sequence[Bar]
    null: float
    span: tuple[float, float]
    axis: str
    head: str
    digits: int
    signed: bool

    def words(self, bar: Bar) -> str:
        """`+7.0 [3.0, 11.9]`."""
        found = bar.interval
        ends = f"[{percent(found.low, self.digits)}, {percent(found.high, self.digits)}]"
        return f"{percent(found.estimate, self.digits, signed=self.signed)} {ends}"


def forest_pictures(found: Forest, name: str, label: str) -> str:
    """Both pictures as SVG; the page shows the one that fits its window."""
    return svg(_wide(found), name, label, "desk") + svg(_narrow(found), f"{name}-narrow", label, "phone")


def _wide(found: Forest) -> Figure:
    height = HEAD_INCHES + ROW_INCHES * len(found.bars)
    figure = blank_figure(height)
    axes = figure.add_axes((0.29, 0.5 / height, 0.39, 1 - HEAD_INCHES / height))
    aside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
    for y, bar in _rows(found):
        _draw(axes, y, bar)
        axes.text(-0.04, y, lines(bar.name), ha="right", color=COLOURS["ink"], linespacing=1.0, fontsize=9.5, **aside)
        axes.text(VALUES_AT, y, found.words(bar), color=COLOURS["ink"], **aside)
        axes.text(N_AT, y, str(bar.interval.n), color=COLOURS["quiet"], ha="right", **aside)
    top = len(found.bars) - 0.25
    quiet: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "color": COLOURS["quiet"]}
    axes.text(VALUES_AT, top, found.head, **quiet)
    axes.text(N_AT, top, "n", ha="right", **quiet)
    _frame(axes, found, (-0.6, len(found.bars) - 0.4))
    return figure


def _narrow(found: Forest) -> Figure:
    height = HEAD_INCHES + NARROW_ROW_INCHES * len(found.bars)
    figure = blank_figure(height, NARROW_INCHES)
    axes = figure.add_axes((0.02, 0.5 / height, 0.96, 1 - HEAD_INCHES / height))
    across: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "fontsize": 9}
    for y, bar in _rows(found):
        _draw(axes, y, bar)
        axes.text(0, y + 0.17, lines(bar.name), color=COLOURS["ink"], linespacing=1.0, **across)
        words = f"{found.words(bar)}, n = {bar.interval.n}"
        axes.text(1, y + 0.17, words, color=COLOURS["ink"], ha="right", **across)
    axes.text(1, len(found.bars) - 0.1, f"{found.head}, n", color=COLOURS["quiet"], ha="right", **across)
    _frame(axes, found, (-0.4, len(found.bars) - 0.2))
    return figure


def lines(name: str) -> str:
    """The name on one line or two."""
    return "\n".join(textwrap.wrap(short(name, MOST_LETTERS), LINE_LETTERS, break_on_hyphens=False)[:2]) or name


def _rows(found: Forest) -> list[tuple[int, Bar]]:
    return list(enumerate(reversed(found.bars)))


def _draw(axes: Axes, y: int, bar: Bar) -> None:
    found, ink = bar.interval, COLOURS[bar.colour]
    assert found.low is not None
    assert found.high is not None
    axes.plot([100 * found.low, 100 * found.high], [y, y], color=ink, linewidth=2, solid_capstyle="round", zorder=3)
    face = ink if bar.filled else "none"
    axes.plot([100 * found.estimate], [y], bar.marker, color=ink, markerfacecolor=face, markersize=7, zorder=4)


def _frame(axes: Axes, found: Forest, height: tuple[float, float]) -> None:
    axes.set_xlim(*found.span)
    axes.set_ylim(*height)
    axes.axvline(found.null, color=COLOURS["quiet"], linewidth=1, linestyle=(0, (3, 3)), zorder=1)
    axes.set_xlabel(found.axis, color=COLOURS["quiet"])
    axes.set_yticks([])
    axes.tick_params(axis="x", color=COLOURS["rule"], labelcolor=COLOURS["quiet"], length=3)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(COLOURS["rule"])


def forest(table: BehaviourTable) -> str:
    """Every measured principle's win rate with its interval, highest first; empty if nothing was measured."""
    bars = [
        _bar(row, row.win_rate)
        for row in sorted(table.principles, key=_highest_first)
        if row.win_rate is not None and row.win_rate.low is not None
    ]
    if not bars:
        return ""
    ends = [100 * end for bar in bars for end in (bar.interval.low, bar.interval.high) if end is not None]
    reach = max(10.0, 50 - min(ends), max(ends) - 50) + 2
    found = Forest(
        bars=bars,
        null=50,
        span=(max(0.0, 50 - reach), min(100.0, 50 + reach)),
        axis="mean probability that the trained answer is better, %",
        head=f"% [{100 * table.level:g} % interval]",
        digits=0,
        signed=False,
    )
    return forest_pictures(
        found, "forest", "Mean probability that the trained model's answer is better than the original's, by principle"
    )


def _bar(row: PrincipleRow, interval: Interval) -> Bar:
    colour, marker = OUTCOME_STYLE.get(row.outcome, ("quiet", "o"))
    return Bar(row.id, interval, colour, marker, row.outcome in OUTCOME_STYLE)


def _highest_first(row: PrincipleRow) -> tuple[float, str]:
    return -(row.win_rate.estimate if row.win_rate else 0.0), row.id
