"""What a page shows where there is little room: bars with their figures, a shade where something goes on sideways."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from reports.compare.analyse import compare_runs
from reports.compare.page import render_comparison
from reports.page import render
from tests.browsing import DESK, opened, unfold
from tests.comparing import answers
from tests.reporting import report_data
from tests.test_compare_changes import run

NARROW = 400


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    many = 30
    ours, theirs = answers([0.5, 0.6] * 15, [4] * many), answers([0.9, 0.8, 0.4] * 10, [4, 5, 4] * 10)
    both = [run(name, [("long", "short", p, True)]) for name, p in (("one", 0.9), ("two", 0.1))]
    sides = zip(both, ("the-run-before-the-edit", "the-run-after-the-edit"), (ours, theirs), strict=True)
    compared = compare_runs([one._replace(name=name, answers=answered) for one, name, answered in sides])
    made = {"report": render(report_data()), "compare": render_comparison(compared, "f.json", "f.csv")}
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", ["report", "compare"])
@pytest.mark.parametrize(("width", "shown", "hidden"), [(NARROW, "phone", "desk"), (DESK, "desk", "phone")])
def test_the_bars_have_their_figures_in_the_window(
    browser: Browser, pages: dict[str, Path], name: str, width: int, shown: str, hidden: str
) -> None:
    with opened(browser, pages[name], width=width) as (page, _, _):
        picture = page.locator(f"svg.{shown}").first
        assert picture.is_visible()
        assert not page.locator(f"svg.{hidden}").first.is_visible()
        words = picture.locator("text").all()
        boxes = [box for word in words if (box := word.bounding_box())]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        assert min(box["height"] for box in boxes) > 8, "it can be read"
        assert any("n = " in (word.text_content() or "") for word in words) == (shown == "phone")


def test_names_in_the_picture_are_those_of_the_table(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["compare"]) as (page, _, _):
        drawn = " ".join(page.locator("svg.desk text").all_text_contents())
        assert "win rate under brief" in drawn
        assert "list_share" not in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_goes_on_sideways_has_a_shaded_edge(browser: Browser, pages: dict[str, Path], scheme: str) -> None:
    with opened(browser, pages["compare"], width=NARROW, scheme=scheme) as (page, _, _):
        box = page.locator(".scroll[aria-label='Behaviour in both runs']")
        assert box.evaluate("e => e.scrollWidth > e.clientWidth")
        assert _edge(box.screenshot()) > 40, "the right edge differs from the paper"
        box.evaluate("e => { e.scrollLeft = e.scrollWidth }")
        assert _edge(box.screenshot()) < 10, "at its end there is nothing more to come"


@pytest.mark.parametrize("name", ["report", "compare"])
def test_what_is_folded_fits_too(browser: Browser, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name], width=NARROW) as (page, _, _):
        unfold(page)
        page.add_style_tag(content="summary .quiet { font-size: 1.1rem !important }")  # as long as a long name is
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_no_verdict_of_a_comparison_is_cut_on_a_desk(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["compare"], width=DESK) as (page, _, _):
        box = page.locator(".scroll[aria-label='Behaviour in both runs']")
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth")


def _edge(png: bytes) -> int:
    """How far the last column of the picture is from the paper, in the brightness of its row that is furthest off."""
    import io

    import matplotlib.image
    import numpy as np

    pixels = np.asarray(matplotlib.image.imread(io.BytesIO(png)))[:, :, :3].mean(axis=2) * 255
    rows = pixels[5:25]  # above the caption's letters, where nothing else reaches the edge
    return int(abs(rows[:, -1] - rows[:, -60]).max())
