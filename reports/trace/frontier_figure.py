"""The frontier between two axes as a picture: predicted positions of the dial as a line, retrained ones as marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures import COLOURS, blank_figure, short, svg
from reports.statistics import Interval
from reports.trace.records import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 3.6
NAME_LETTERS = 28
"""Of an axis' name, as long as the picture is high."""


def frontier_figure(found: Frontier) -> str:
    """Mean margins along the first axis (across) and the second (up), with their intervals."""
    figure = blank_figure(HEIGHT_INCHES)
    axes = figure.add_axes((0.12, 0.16, 0.8, 0.78))
    axes.plot(
        [point.predicted_first.estimate for point in found.points],
        [point.predicted_second.estimate for point in found.points],
        color=COLOURS["accent"],
        linewidth=1.2,
        zorder=2,
    )
    for point in found.points:
        _cross(axes, point.predicted_first, point.predicted_second, "accent", "o")
        if point.retrained_first and point.retrained_second:
            _cross(axes, point.retrained_first, point.retrained_second, "second", "D")
        at = (point.predicted_first.estimate, point.predicted_second.estimate)
        axes.annotate(f"{point.t:g}", at, (5, 5), textcoords="offset points", color=COLOURS["ink"], fontsize=9)
    axes.set_xlabel(f"margin along {short(found.first, NAME_LETTERS)}", color=COLOURS["ink"])
    axes.set_ylabel(f"margin along {short(found.second, NAME_LETTERS)}", color=COLOURS["ink"])
    axes.tick_params(colors=COLOURS["quiet"], labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(COLOURS["rule"])
    return svg(figure, "frontier", f"Margins along {found.first} and {found.second} at the positions of the dial")


def _cross(axes: Axes, across: Interval, up: Interval, colour: str, marker: str) -> None:
    """A mark with a bar for each interval."""
    ink = COLOURS[colour]
    axes.plot([across.estimate], [up.estimate], marker, color=ink, markersize=6, zorder=4)
    if across.low is not None and across.high is not None:
        axes.plot([across.low, across.high], [up.estimate] * 2, color=ink, linewidth=0.8, alpha=0.5, zorder=3)
    if up.low is not None and up.high is not None:
        axes.plot([across.estimate] * 2, [up.low, up.high], color=ink, linewidth=0.8, alpha=0.5, zorder=3)
