"""The frontier between two axes as a picture: predicted positions of the dial as a line, retrained ones as marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.figures import COLOURS, blank_figure, short, svg
from reports.statistics import Interval
from reports.trace.records import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT_INCHES = 3.6
LETTER_POINTS, MARK_POINTS = 9, 4
ROWS = (5, -13, 17, -25, 29, -37)
"""How far above its mark a name may stand, in points; the nearest come first."""
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
    _positions(axes, figure.dpi, found)
    axes.set_xlabel(f"margin along {short(found.first, NAME_LETTERS)}", color=COLOURS["ink"])
    axes.set_ylabel(f"margin along {short(found.second, NAME_LETTERS)}", color=COLOURS["ink"])
    axes.tick_params(colors=COLOURS["quiet"], labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(COLOURS["rule"])
    return svg(figure, "frontier", f"Margins along {found.first} and {found.second} at the positions of the dial")


def _positions(axes: Axes, dots_an_inch: float, found: Frontier) -> None:
    """Each position's name beside its mark, where it covers neither a mark nor another name."""
    marks = [(point.predicted_first.estimate, point.predicted_second.estimate) for point in found.points]
    axes.autoscale_view()
    at = [Point(*(72 / dots_an_inch * axes.transData.transform(mark))) for mark in marks]
    names = [f"{point.t:g}" for point in found.points]
    for mark, name, offset in zip(marks, names, clear_offsets(at, names), strict=True):
        leader = {"arrowstyle": "-", "color": COLOURS["quiet"], "linewidth": 0.7, "shrinkA": 0, "shrinkB": MARK_POINTS}
        letters: dict[str, Any] = {"color": COLOURS["ink"], "fontsize": LETTER_POINTS, "arrowprops": leader}
        axes.annotate(name, mark, offset, textcoords="offset points", **letters)


class Point(NamedTuple):
    """A place in a picture, in points from its lower left corner, or an offset."""

    x: float
    y: float


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        """Whether they overlap."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)

    def distance(self, point: Point) -> float:
        """From the point to its middle, by which a reader tells whose name it is."""
        return math.hypot((self.left + self.right) / 2 - point.x, (self.bottom + self.top) / 2 - point.y)


def clear_offsets(marks: Sequence[Point], names: Sequence[str]) -> list[Point]:
    """Where each name begins, seen from its mark: the nearest place in which it meets the fewest marks and names, and
    stands nearest to its own mark."""
    taken = [_Box(x - MARK_POINTS, y - MARK_POINTS, x + MARK_POINTS, y + MARK_POINTS) for x, y in marks]
    offsets = []
    for mark, name in zip(marks, names, strict=True):
        wide = 0.65 * LETTER_POINTS * len(name)
        places = [Point(x, y) for y in ROWS for x in (5, -5 - wide, -wide / 2)]
        boxes = [_box(mark, place, wide) for place in places]
        faults = [sum(box.meets(other) for other in taken) + _strangers(box, mark, marks) for box in boxes]
        best = faults.index(min(faults))
        offsets.append(places[best])
        taken.append(boxes[best])
    return offsets


def _strangers(box: _Box, mark: Point, marks: Sequence[Point]) -> int:
    """How many other marks are nearer to the name than its own."""
    own = box.distance(mark)
    return sum(box.distance(other) < own - 1e-9 for other in marks)


def _box(mark: Point, offset: Point, wide: float) -> _Box:
    left, bottom = mark.x + offset.x, mark.y + offset.y
    return _Box(left, bottom, left + wide, bottom + LETTER_POINTS)


def _cross(axes: Axes, across: Interval, up: Interval, colour: str, marker: str) -> None:
    """A mark with a bar for each interval."""
    ink = COLOURS[colour]
    axes.plot([across.estimate], [up.estimate], marker, color=ink, markersize=6, zorder=4)
    if across.low is not None and across.high is not None:
        axes.plot([across.low, across.high], [up.estimate] * 2, color=ink, linewidth=0.8, alpha=0.5, zorder=3)
    if up.low is not None and up.high is not None:
        axes.plot([across.estimate] * 2, [up.low, up.high], color=ink, linewidth=0.8, alpha=0.5, zorder=3)
