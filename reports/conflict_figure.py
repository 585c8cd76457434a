"""The conflict map as a picture: one cell a couple of principles, the darker the more often they disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.conflicts import Conflict, ConflictMap
from reports.figures import COLOURS, blank_figure, short, svg
from reports.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 12
"""Principles for which the numbers in the cells can still be read."""
CELL_INCHES = 0.5
DARKEST = 0.45
"""Opacity of a cell where they always disagree; the numbers on it must stay readable."""


def conflict_figure(found: ConflictMap) -> str:
    """The lower half of the matrix; empty with fewer than two principles, or more than MOST."""
    ids = [row.principle for row in found.principles]
    if not 2 <= len(ids) <= MOST:
        return ""
    place = {name: at for at, name in enumerate(ids)}
    height = CELL_INCHES * (len(ids) - 1) + 1.3
    figure = blank_figure(height)
    axes = figure.add_axes((0.26, 1.2 / height, min(0.7, 0.13 * (len(ids) - 1)), 1 - 1.3 / height))
    for row in found.conflicts:
        column, line = sorted((place[row.first], place[row.second]))
        _cell(axes, column, line - 1, row)
    _frame(axes, ids)
    return svg(figure, "conflicts", "How often two principles disagree, in percent")


def _cell(axes: Axes, column: int, line: int, row: Conflict) -> None:
    from matplotlib.patches import Rectangle

    rate = row.all.disagree
    shade = 0.0 if rate.value is None else DARKEST * rate.value
    axes.add_patch(Rectangle((column - 0.48, line - 0.46), 0.96, 0.92, facecolor=COLOURS["accent"], alpha=shade))
    words = "–" if rate.value is None else percent(rate.value)
    axes.text(column, line - 0.12, words, ha="center", va="center", color=COLOURS["ink"], fontsize=10)
    axes.text(column, line + 0.24, str(rate.n), ha="center", va="center", color=COLOURS["ink"], fontsize=7)


def _frame(axes: Axes, ids: list[str]) -> None:
    count = len(ids)
    axes.set_xlim(-0.5, count - 1.5)
    axes.set_ylim(count - 1.5, -0.5)
    axes.set_xticks(range(count - 1), [short(name, 20) for name in ids[:-1]], rotation=30, ha="right")
    axes.set_yticks(range(count - 1), [short(name) for name in ids[1:]])
    axes.tick_params(length=0, labelcolor=COLOURS["ink"], labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
