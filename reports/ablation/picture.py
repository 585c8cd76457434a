"""The matrix as a picture: what each principle's presence does to each behaviour, every figure readable in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.ablation.records import AblationReport, Cell
from reports.figures import COLOURS, WIDTH_INCHES, blank_figure, short, svg
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 6
"""Behaviours side by side; of more, the matrix goes on below."""
ROW_INCHES, HEAD_INCHES, NAMES_INCHES = 0.5, 0.95, 1.75
FAINTEST, FULLEST = 0.08, 0.6
"""Opacity of a cell's colour, from the smallest to the largest effect of its behaviour."""


class Matrix(NamedTuple):
    """One picture, and the behaviours that it is about."""

    about: str
    svg: str


def matrices(report: AblationReport) -> list[Matrix]:
    """The pictures: behaviours of one kind together, at most COLUMNS of them in each."""
    pictures = []
    for kind in ("margin", "check", "feature"):
        ids = [behaviour.id for behaviour in report.behaviours if behaviour.kind == kind]
        for start in range(0, len(ids), COLUMNS):
            shown = ids[start : start + COLUMNS]
            pictures.append(Matrix(", ".join(shown), _matrix(report, shown, f"{kind}-{start}")))
    return pictures


def _matrix(report: AblationReport, behaviours: Sequence[str], name: str) -> str:
    rows = list(dict.fromkeys(cell.left_out for cell in report.cells))
    height = HEAD_INCHES + ROW_INCHES * len(rows) + 0.1
    figure = blank_figure(height)
    left = NAMES_INCHES / WIDTH_INCHES
    wide = min(1 - left - 0.005, len(behaviours) * 1.15 / WIDTH_INCHES)
    axes = figure.add_axes((left, 0.1 / height, wide, ROW_INCHES * len(rows) / height))
    cells = {(cell.left_out, cell.behaviour): cell for cell in report.cells}
    for x, behaviour in enumerate(behaviours):
        column = [cells[row, behaviour] for row in rows]
        largest = max(abs(cell.effect.estimate) for cell in column)
        for y, cell in enumerate(column):
            _cell(axes, x, len(rows) - 1 - y, cell, largest)
    _frame(axes, [" + ".join(row) for row in rows], behaviours)
    label = f"What each principle does to {', '.join(behaviours)}, with intervals"
    return svg(figure, f"ablation-{name}", label)


def _cell(axes: Axes, x: int, y: int, cell: Cell, largest: float) -> None:
    from matplotlib.patches import Rectangle

    effect, found = cell.effect, cell.outcome in ("raises", "lowers")
    if found:
        share = abs(effect.estimate) / largest if largest else 0.0
        colour = COLOURS["good" if effect.estimate > 0 else "bad"]
        strength = FAINTEST + (FULLEST - FAINTEST) * share
        axes.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, color=colour, alpha=strength, linewidth=0))
    ink = COLOURS["ink" if found else "quiet"]
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
    weight = "bold" if found else "normal"
    axes.text(x + 0.5, y + 0.64, number(effect.estimate, 2, signed=True), fontsize=9.5, weight=weight, **middle)
    if effect.low is not None and effect.high is not None:
        axes.text(x + 0.5, y + 0.27, f"[{number(effect.low, 2)}, {number(effect.high, 2)}]", fontsize=7, **middle)


def _frame(axes: Axes, rows: Sequence[str], behaviours: Sequence[str]) -> None:
    axes.set_xlim(0, len(behaviours))
    axes.set_ylim(0, len(rows))
    axes.xaxis.tick_top()
    names = [short(name, 20) for name in behaviours]
    axes.set_xticks([x + 0.5 for x in range(len(names))], names, rotation=24, ha="left", color=COLOURS["ink"])
    places = [len(rows) - 0.5 - y for y in range(len(rows))]
    axes.set_yticks(places, [short(row, 24) for row in rows], color=COLOURS["ink"])
    axes.tick_params(length=0, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for y in range(len(rows) + 1):
        axes.axhline(y, color=COLOURS["rule"], linewidth=0.6, zorder=0)
