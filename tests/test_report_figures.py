"""Pictures: nothing covers anything, and other people's text stays text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reports.figures import blank_figure, svg, training
from reports.principle_figure import principle_figure
from reports.principle_trace import Pull
from reports.trace.frontier_figure import Point, clear_offsets
from tests.browsing import opened
from tests.reporting import report_data

BOXES = """svg => [...svg.querySelectorAll(QUERY)].map((found) => {
    const {left, right, top, bottom} = found.getBoundingClientRect();
    return [left, right, top, bottom];
})"""
Box = list[float]


def meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def boxes(browser: Browser, folder: Path, picture: str, query: str) -> list[Box]:
    """Where the parts of the picture stand in the browser."""
    (folder / "picture.html").write_text(f"<!doctype html><title>x</title>{picture}", encoding="utf-8")
    with opened(browser, folder / "picture.html") as (page, _, _):
        found: list[Box] = page.locator("svg").evaluate(BOXES.replace("QUERY", f"'{query}'"))
    return found


@pytest.mark.parametrize("spread", [0.0, 3.0, 12.0, 60.0])
def test_positions_of_the_dial_do_not_cover_each_other(spread: float) -> None:
    names = ["0", "0.25", "0.5", "0.75", "1"]
    marks = [Point(100 + spread * place, 100 - spread * place / 2) for place in range(5)]
    spots = [(m.x + o.x, m.y + o.y, len(n)) for m, o, n in zip(marks, clear_offsets(marks, names), names, strict=True)]
    names_at = [[x, x + 0.65 * 9 * letters, y, y + 9] for x, y, letters in spots]
    marks_at = [[x - 4, x + 4, y - 4, y + 4] for x, y in marks]
    for place, name in enumerate(names_at):
        assert not any(meet(name, other) for other in names_at[place + 1 :] + marks_at)


@pytest.mark.parametrize("shares", [(-0.18, -0.38), (0.5, 0.5, 0.5), (0.0, 0.0), (0.4, -0.1), (0.02, 0.9)])
def test_a_bars_figure_stands_clear_of_the_bars_and_the_axis(
    browser: Browser, tmp_path: Path, shares: tuple[float, ...]
) -> None:
    quarters = [Pull(first_step=i, last_step=i, share=share, updates=8, voted=8) for i, share in enumerate(shares)]
    picture = principle_figure("x", quarters, [])
    labels = boxes(browser, tmp_path, picture, "[id^=principle-x-text] text")
    bars = boxes(browser, tmp_path, picture, "[id^=principle-x-patch] path[style*=accent]")
    figures = [box for box, text in zip(labels, texts(picture), strict=True) if text in bar_figures(shares)]
    others = [box for box, text in zip(labels, texts(picture), strict=True) if text not in bar_figures(shares)]
    assert len(bars) == len(shares)
    assert len(figures) >= len(shares)
    for place, figure in enumerate(figures[-len(shares) :]):
        inside = [min(bar[3], figure[3]) - max(bar[2], figure[2]) for bar in bars if meet(figure, bar)]
        assert max(inside, default=0) < 3, "but for the box that a browser leaves below a line's letters"
        assert not any(meet(figure, other) for other in others), (place, shares)


def bar_figures(shares: tuple[float, ...]) -> set[str]:
    return {f"{100 * share:.1f}".replace("-", "−") for share in shares}


def texts(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_the_legend_of_the_training_stands_above_both_panels(browser: Browser, tmp_path: Path) -> None:
    picture = training(report_data(prompts=4, heldout=2).training)
    (legend,) = boxes(browser, tmp_path, picture, "[id^=training-legend]")
    panels = boxes(browser, tmp_path, picture, "[id^=training-axes]")
    assert len(panels) == 2
    assert not any(meet(legend, panel) for panel in panels)


def test_a_formula_is_not_read_and_a_tick_is_text() -> None:
    figure = blank_figure(1)
    axes = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    axes.set_xlabel("$a_$ cost")
    axes.set_title("$\\frac{")
    axes.set_xticks([0, 1], ["$x^$", "\u202e<b>"])
    drawn = svg(figure, "x", 'of "$a_$" & <b>')
    for text in ("$a_$ cost", "$\\frac{", "$x^$", "‹U+202E›&lt;b&gt;"):
        assert f">{text}</text>" in drawn
    assert 'aria-label="of &quot;$a_$&quot; &amp; &lt;b&gt;"' in drawn
    assert "<b>" not in drawn
