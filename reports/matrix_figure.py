"""A matrix of effects as a picture: rows move columns, and every figure with its interval can be read in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.figures import COLOURS, WIDTH_INCHES, Fits, blank_figure, short, svg
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 8
"""Columns side by side; of more, the matrix goes on below."""
ROW_INCHES, HEAD_INCHES, NAMES_INCHES = 0.5, 0.95, 1.75
COLUMN_INCHES, NARROWEST_INCHES, LETTER_INCHES = 1.15, 0.8, 0.072
"""The widest column and the narrowest; a letter of its slanted name, measured along the picture's width."""
NAME_LETTERS = 20
FAINTEST, FULLEST = 0.08, 0.6
"""Opacity of a cell's colour, from the smallest to the largest effect of its column."""


class Effect(NamedTuple):
    """One cell; it is coloured where the effect was `found`."""

    estimate: float
    low: float | None
    high: float | None
    found: bool


class Matrix(NamedTuple):
    """One picture, the columns that it is about, and whether any of its cells is coloured."""

    columns: tuple[str, ...]
    svg: str
    found: bool

    @property
    def about(self) -> str:
        """The columns' names in a row."""
        return ", ".join(self.columns)


Effects = Mapping[tuple[str, str], Effect]
"""By row and column."""


def matrices(rows: Sequence[str], columns: Sequence[str], effects: Effects, name: str, title: str) -> list[Matrix]:
    """The pictures, of at most COLUMNS columns each. Every row has every column. `title` says what is in a cell; the
    columns' names follow it."""
    pictures = []
    count = math.ceil(len(columns) / COLUMNS)
    for i in range(count):
        start, end = len(columns) * i // count, len(columns) * (i + 1) // count
        shown = tuple(columns[start:end])
        label = f"{title} {', '.join(shown)}, with intervals"
        fits: Fits = "wide" if _width(shown) > WIDTH_INCHES else ""
        picture = svg(_matrix(rows, shown, effects), f"{name}-{start}", label, fits)
        pictures.append(Matrix(shown, picture, any(effects[row, column].found for row in rows for column in shown)))
    return pictures


def _matrix(rows: Sequence[str], columns: Sequence[str], effects: Effects) -> Figure:
    height = HEAD_INCHES + ROW_INCHES * len(rows) + 0.1
    width = _width(columns)
    figure = blank_figure(height, width)
    left = NAMES_INCHES / width
    wide = min(1 - left - 0.005 - _overhang(columns) / width, len(columns) * COLUMN_INCHES / width)
    axes = figure.add_axes((left, 0.1 / height, wide, ROW_INCHES * len(rows) / height))
    for x, column in enumerate(columns):
        cells = [effects[row, column] for row in rows]
        largest = max(abs(cell.estimate) for cell in cells)
        for y, cell in enumerate(cells):
            _cell(axes, x, len(rows) - 1 - y, cell, largest)
    _frame(axes, rows, columns)
    return figure


def _width(columns: Sequence[str]) -> float:
    """The picture's, in inches: of many columns it is wider than others, for the page has room."""
    return max(WIDTH_INCHES, NAMES_INCHES + NARROWEST_INCHES * len(columns) + _overhang(columns) + 0.05)


def _overhang(columns: Sequence[str]) -> float:
    """By how many inches a slanted name may reach beyond the last column. Names begin in the middle of theirs."""
    beyond = [
        LETTER_INCHES * len(short(name, NAME_LETTERS)) - NARROWEST_INCHES * (after + 0.5)
        for after, name in enumerate(reversed(columns))
    ]
    return max(0.0, *beyond)


def _cell(axes: Axes, x: int, y: int, cell: Effect, largest: float) -> None:
    from matplotlib.patches import Rectangle

    if cell.found:
        share = abs(cell.estimate) / largest if largest else 0.0
        colour = COLOURS["good" if cell.estimate > 0 else "bad"]
        strength = FAINTEST + (FULLEST - FAINTEST) * share
        axes.add_patch(Rectangle((x + 0.02, y + 0.03), 0.96, 0.94, color=colour, alpha=strength, linewidth=0))
    ink = COLOURS["ink" if cell.found else "quiet"]
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
    weight = "bold" if cell.found else "normal"
    axes.text(x + 0.5, y + 0.64, number(cell.estimate, 2, signed=True), fontsize=9.5, weight=weight, **middle)
    if cell.low is not None and cell.high is not None:
        axes.text(x + 0.5, y + 0.27, f"[{number(cell.low, 2)}, {number(cell.high, 2)}]", fontsize=7, **middle)


def _frame(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_xlim(0, len(columns))
    axes.set_ylim(0, len(rows))
    axes.xaxis.tick_top()
    names = [short(name, NAME_LETTERS) for name in columns]
    axes.set_xticks([x + 0.5 for x in range(len(names))], names, rotation=24, ha="left", color=COLOURS["ink"])
    places = [len(rows) - 0.5 - y for y in range(len(rows))]
    axes.set_yticks(places, [short(row, 24) for row in rows], color=COLOURS["ink"])
    axes.tick_params(length=0, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for y in range(len(rows) + 1):
        axes.axhline(y, color=COLOURS["rule"], linewidth=0.6, zorder=0)
