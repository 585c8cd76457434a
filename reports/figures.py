"""Pictures as inline SVG: text stays text, colours are the page's CSS variables, the same data give the same bytes.

matplotlib draws with stand-in colours, which are then replaced by `var(--name)`: one picture serves light and dark.
Names in a picture are other people's text: `svg` alone makes them harmless, whatever a picture writes and wherever.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from constitution.model import Constitution
from reports.behaviour import Outcome
from reports.curves import Curve, Row, curve, last
from reports.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "ink": "#010101",
    "quiet": "#020202",
    "rule": "#030303",
    "good": "#040404",
    "bad": "#050505",
    "accent": "#060606",
    "second": "#070707",
}
"""CSS variable -> the stand-in that matplotlib draws with."""

OUTCOME_STYLE: dict[Outcome, tuple[str, str]] = {"intended": ("good", "o"), "against": ("bad", "D")}
WIDTH_INCHES = 7.4
Fits = Literal["", "desk", "phone", "wide"]
"""Windows that show a picture: all, only large or only small ones; `wide`: all, and larger than other pictures."""
COLUMNS = 3


def training(rows: Sequence[Row]) -> str:
    """Loss and accuracy over the steps, trained pairs and held-out pairs; empty without rows."""
    panels = [("loss", "loss"), ("accuracy", "labels ranked right, share")]
    panels = [panel for panel in panels if curve(rows, panel[0]).steps]
    if not panels:
        return ""
    figure = blank_figure(2.75)
    for index, (key, title) in enumerate(panels):
        axes = figure.add_axes((0.08 + 0.5 * index, 0.18, 0.4, 0.6))
        _line(axes, curve(rows, key), "accent", "trained on", width=1.0)
        _line(axes, curve(rows, f"heldout_{key}"), "second", "held out", marker="o")
        titled(axes, title)
        axes.set_xlabel("step", color=COLOURS["quiet"])
    lines, names = figure.axes[0].get_legend_handles_labels()
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.065, 1.0), "borderaxespad": 0, "borderpad": 0}
    figure.legend(lines, names, frameon=False, ncols=2, labelcolor=COLOURS["ink"], **place)
    return svg(figure, "training", "Training loss and accuracy by step")


def margins(rows: Sequence[Row], constitution: Constitution) -> str:
    """Every principle's margin over the steps, as small multiples on one scale: thin the pairs of each step, thick
    those held out. Empty without rows.
    """
    panels = [
        (p.id, _margin(rows, "batch_principles", p.id), _margin(rows, "principles", p.id))
        for p in constitution.principles
    ]
    panels = [panel for panel in panels if panel[1].steps or panel[2].steps]
    if not panels:
        return ""
    values = [value for _, batch, heldout in panels for value in batch.values + heldout.values] + [0.0]
    pad = 0.08 * (max(values) - min(values) or 1.0)
    height = 1.5 * -(-len(panels) // COLUMNS) + 0.35
    figure = blank_figure(height)
    for index, (name, batch, heldout) in enumerate(panels):
        line, column = divmod(index, COLUMNS)
        axes = figure.add_axes((0.08 + 0.315 * column, 1 - (1.5 * line + 1.25) / height, 0.27, 1.0 / height))
        axes.axhline(0, color=COLOURS["quiet"], linewidth=1, linestyle=(0, (3, 3)))
        _line(axes, batch, "accent", "trained on", width=1.0)
        _line(axes, heldout, "second", "held out", marker="o")
        axes.set_ylim(min(values) - pad, max(values) + pad)
        n = last(rows, "principles", name, "n")
        titled(axes, short(name) if n is None else f"{short(name, 18)}, n = {n:.0f}")
        axes.tick_params(labelleft=column == 0, labelbottom=index + COLUMNS >= len(panels))
        axes.set_xlabel("step" if index + COLUMNS >= len(panels) else "", color=COLOURS["quiet"])
    return svg(figure, "margins", "Margin by step, one panel for each principle")


def _margin(rows: Sequence[Row], which: str, principle: str) -> Curve:
    return curve(rows, which, principle, "margin")


def _line(axes: Axes, points: Curve, colour: str, label: str, marker: str = "", width: float = 1.8) -> None:
    if points.steps:
        axes.plot(points.steps, points.values, marker=marker, lw=width, ms=4, color=COLOURS[colour], label=label)


def titled(axes: Axes, title: str) -> None:
    """A panel's title, and lines to read its height by."""
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["ink"])
    calm(axes)
    axes.grid(axis="y", color=COLOURS["rule"], linewidth=0.8)


def calm(axes: Axes) -> None:
    """Two quiet axes and no frame."""
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("bottom", "left"))
        spine.set_color(COLOURS["rule"])
    axes.tick_params(color=COLOURS["rule"], labelcolor=COLOURS["quiet"], length=3)
    axes.set_axisbelow(True)


def short(name: str, limit: int = 24) -> str:
    """The name, cut where a picture has no room for it."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


def blank_figure(height: float, width: float = WIDTH_INCHES) -> Figure:
    """A transparent one, as wide as the page if nothing else is said; both in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="none")


def svg(figure: Figure, name: str, label: str, fits: Fits = "") -> str:
    """The picture as an element of the page: ids made unique by `name`, nothing that refers to the outside. With
    `fits`, the page shows it in windows of that kind."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.set_facecolor("none")
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)  # a `$` in a name begins no formula
    stream = io.StringIO()
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts are what counts
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = stream.getvalue()
    return _inline(drawn[drawn.index("<svg") :], name, label, fits)


def _inline(drawn: str, name: str, label: str, fits: str) -> str:
    """Our changes are to the tags; what stands between them is other people's text."""
    drawn = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]*"', drawn)
    assert view, "matplotlib gives every picture a viewBox"
    kind = f'class="{fits}" ' if fits else ""
    head = f'<svg {kind}{view[0]} role="img" aria-label="{html.escape(visible(label))}">'
    parts = [_tag(part, name) if part.startswith("<") else visible(part) for part in re.split(r"(<[^>]*>)", drawn)]
    return "".join(head if part.startswith("<svg") else part for part in parts).strip()


def _tag(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'\b(?:xlink:)?href="#', f'href="#{name}-', tag).replace("url(#", f"url(#{name}-")
    tag = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", tag)
    for variable, stand_in in COLOURS.items():
        tag = tag.replace(stand_in, f"var(--{variable})")
    return tag
