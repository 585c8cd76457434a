"""One principle's training as a picture: its part of the gradient by quarter, and its margin on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.figures import COLOURS, blank_figure, svg, titled
from reports.principle_trace import HeldOut, Pull
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 1.75
MARKED = 30
"""Points that are still told apart."""


def principle_figure(principle: str, quarters: Sequence[Pull], measured: Sequence[HeldOut]) -> str:
    """Bars on the left, a line on the right, either alone where the run has no other; empty without both."""
    if not quarters and not measured:
        return ""
    figure = blank_figure(HEIGHT)
    places = iter((0.08, 0.58))
    if quarters:
        _share(figure.add_axes((next(places), 0.27, 0.4, 0.56)), quarters)
    if measured:
        _margin(figure.add_axes((next(places), 0.27, 0.4, 0.56)), measured)
    what = [name for name, known in (("part of the gradient", quarters), ("held-out margin", measured)) if known]
    return svg(figure, f"principle-{principle}", f"Over the training, of {principle}: {' and '.join(what)}")


def _share(axes: Axes, quarters: Sequence[Pull]) -> None:
    values = [100 * quarter.share for quarter in quarters]
    axes.bar(range(len(values)), values, width=0.6, color=COLOURS["accent"])
    axes.axhline(0, color=COLOURS["quiet"], linewidth=1)
    for place, value in enumerate(values):
        low = "bottom" if value >= 0 else "top"
        axes.text(place, value, number(value, 1), ha="center", va=low, fontsize=8, color=COLOURS["ink"])
    titled(axes, "part of the gradient, %")
    axes.margins(y=0.2)
    steps = [f"{quarter.first_step}–{quarter.last_step}" for quarter in quarters]
    axes.set_xticks(range(len(values)), steps, fontsize=8)
    axes.set_xlabel("steps", color=COLOURS["quiet"])


def _margin(axes: Axes, measured: Sequence[HeldOut]) -> None:
    steps, values = [row.step for row in measured], [row.margin for row in measured]
    marker = "o" if len(steps) <= MARKED else ""
    axes.axhline(0, color=COLOURS["quiet"], linewidth=1, linestyle=(0, (3, 3)))
    axes.plot(steps, values, marker=marker, lw=1.8, ms=4, color=COLOURS["second"])
    titled(axes, "margin on held-out pairs")
    axes.set_xlabel("step", color=COLOURS["quiet"])
