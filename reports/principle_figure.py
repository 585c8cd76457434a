"""One principle's training as a picture: its part of the gradient by quarter, and its margin on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures import COLOURS, blank_figure, svg, titled
from reports.principle_trace import HeldOut, Pull
from reports.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 1.75
LABEL_ROOM = 0.25
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
        up = value >= 0
        aside: dict[str, Any] = {"ha": "center", "va": "baseline", "textcoords": "offset points"}
        label = number(value, 1)
        axes.annotate(label, (place, value), (0, 3 if up else -9), fontsize=8, color=COLOURS["ink"], **aside)
    titled(axes, "part of the gradient, %")
    _room_for_labels(axes, values)
    steps = [_steps(quarter) for quarter in quarters]
    axes.set_xticks(range(len(values)), steps, fontsize=8)
    axes.set_xlabel("steps", color=COLOURS["quiet"])


def _room_for_labels(axes: Axes, values: Sequence[float]) -> None:
    """A quarter of the bars' reach beyond each end that has a label."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = LABEL_ROOM * ((high - low) or 1.0)
    axes.set_ylim(low - room if min(values) < 0 else low, high + room if max(values) >= 0 else high)


def _steps(quarter: Pull) -> str:
    first, last = quarter.first_step, quarter.last_step
    return str(last) if first == last else f"{first}–{last}"


def _margin(axes: Axes, measured: Sequence[HeldOut]) -> None:
    from matplotlib.ticker import MaxNLocator

    steps, values = [row.step for row in measured], [row.margin for row in measured]
    marker = "o" if len(steps) <= MARKED else ""
    axes.axhline(0, color=COLOURS["quiet"], linewidth=1, linestyle=(0, (3, 3)))
    axes.plot(steps, values, marker=marker, lw=1.8, ms=4, color=COLOURS["second"])
    if len(steps) == 1:
        axes.set_xlim(steps[0] - 1, steps[0] + 1)
    titled(axes, "margin on held-out pairs")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("step", color=COLOURS["quiet"])
