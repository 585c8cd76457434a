"""The report, the judge's card and the ablation's page of a real run of 10 pairs, in a real browser."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.ablation_world import simulated
from benchmarks.report_world import RUN_FILE, make_run, report_again
from pipeline.ablation_report import write_pages
from pipeline.ablation_store import training_inputs
from pipeline.opened import opened_run
from reports.ablation.analyse import analyse
from reports.matrix_figure import Effect, matrices
from reports.page import render
from reports.twins import write_twins
from tests.browsing import DESK, PAPER, PHONE, cut_off, opened, unfold, unreached, violations, wider_than, without_data
from tests.reporting import report_data
from tests.test_report import NASTY

PAGES = ("90-report.html", "35-audit.html", "70-ablation.html")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything that has a page."""
    folder = tmp_path_factory.mktemp("pages")
    made = make_run(folder, 10, heldout=12)
    with opened_run(folder / RUN_FILE, {}, [], folder / "runs") as run:
        found = analyse(simulated(1, 3, learns=True)).model_copy(update={"inputs": training_inputs(run)})
        write_pages(run.folder, found)
    report_again(folder)
    return made


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which everybody who writes freely attacks."""
    folder, data = tmp_path_factory.mktemp("hostile"), report_data(prompts=6, heldout=4, nasty=NASTY)
    write_twins(data, folder)
    (folder / "90-report.html").write_text(render(data), encoding="utf-8")
    return folder / "90-report.html"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_nothing(browser: Browser, run_folder: Path, name: str, scheme: str, width: int) -> None:
    with opened(browser, run_folder / name, scheme=scheme, width=width) as (page, _, _):
        unfold(page)
        assert violations(page) == []


def test_axe_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    """The check itself can fail: no language, no name, too little contrast."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><title>x</title><main><h1 style='color:#ddd'>hardly to be read</h1><button></button></main>"
    )
    with opened(browser, path) as (page, _, _):
        assert {fault.split(":")[0] for fault in violations(page)} == {"html-has-lang", "button-name", "color-contrast"}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("script", [True, False])
def test_it_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, run_folder: Path, name: str, script: bool
) -> None:
    path = run_folder / name
    with opened(browser, path, script=script) as (page, requests, said):
        page.wait_for_load_state("networkidle")
        assert requests == [path.as_uri()]
        assert said == []
        assert page.locator("h1").is_visible()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("width", [PHONE, 768, DESK])
def test_no_page_scrolls_sideways(browser: Browser, run_folder: Path, name: str, script: bool, width: int) -> None:
    with opened(browser, run_folder / name, script=script, width=width) as (page, _, _):
        for fold in page.locator("summary").all()[:6]:
            fold.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert wider_than(page, width) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything(browser: Browser, run_folder: Path, name: str) -> None:
    with opened(browser, run_folder / name) as (page, _, _):
        assert unreached(page) == []
        assert page.evaluate("window.wanted.length") > 8


@pytest.mark.parametrize("script", [True, False])
def test_a_fold_opens_by_keyboard(browser: Browser, run_folder: Path, script: bool) -> None:
    with opened(browser, run_folder / PAGES[0], script=script) as (page, _, _):
        fold = page.locator("#pairs details").first
        assert not fold.locator(".pair").is_visible()
        fold.locator("summary").focus()
        page.keyboard.press("Enter")
        assert fold.locator(".pair").is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_it_prints_whole(browser: Browser, run_folder: Path, name: str) -> None:
    with opened(browser, run_folder / name, width=PAPER) as (page, _, _):
        page.emulate_media(media="print")
        assert cut_off(page) == []
        assert all(table.is_visible() for table in page.locator("details.figures table").all())
        assert page.pdf(format="A4").startswith(b"%PDF-")


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_says_what_it_shows_and_where_its_data_are(browser: Browser, run_folder: Path, name: str) -> None:
    with opened(browser, run_folder / name, script=False) as (page, _, _):
        assert without_data(page) == []
        assert page.locator("figure").count() == page.locator("svg:not(.phone)").count()
        assert bool(page.locator("figure").count()) == (name != PAGES[1])


def test_so_does_every_figure_of_a_traced_run(browser: Browser, hostile: Path) -> None:
    with opened(browser, hostile, script=False) as (page, _, _):
        assert page.locator("#trace figure").count() == 3
        assert without_data(page) == []
        assert page.locator("figure").count() == page.locator("svg:not(.phone)").count()
        for link in page.locator("footer a, figcaption a").all():
            assert (hostile.parent / (link.get_attribute("href") or "")).is_file()


@pytest.mark.parametrize("count", [1, 3, 5, 6, 7, 13])
@pytest.mark.parametrize("last", ["x", "impersonal", "names-of-twenty-letters"])
def test_no_name_of_a_matrix_is_cut_off(browser: Browser, tmp_path: Path, count: int, last: str) -> None:
    columns = [f"principle-{i}" for i in range(count - 1)] + [last]
    effects = {("row", column): Effect(-0.25, -10.5, 10.25, True) for column in columns}
    drawn = matrices(["row"], columns, effects, "m", "Effects on")
    assert ", ".join(one.about for one in drawn) == ", ".join(columns)
    sizes = [one.about.count(",") + 1 for one in drawn]
    assert max(sizes) - min(sizes) <= 1, "pictures of about one width"
    path = tmp_path / "matrix.html"
    path.write_text("<!doctype html><title>m</title>" + "".join(one.svg for one in drawn), encoding="utf-8")
    beyond = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
        const edge = svg.getBoundingClientRect().right;
        const words = [...svg.querySelectorAll("text")];
        return words.filter((word) => word.getBoundingClientRect().right > edge).map((word) => word.textContent);
    })"""
    with opened(browser, path) as (page, _, _):
        assert page.locator("svg text").count() > 2 * count
        assert page.evaluate(beyond) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(browser: Browser, run_folder: Path, name: str) -> None:
    with opened(browser, run_folder / name, script=False) as (page, _, _):
        links = {link.get_attribute("href") or "" for link in page.locator("a").all()}
        assert any(link.endswith(".json") for link in links)
        for link in links:
            file, _, anchor = link.partition("#")
            assert not file or (run_folder / unquote(file)).is_file(), link
            assert not anchor or file or page.locator(f"[id='{anchor}']").count() == 1, link


def test_the_pages_lead_to_each_other(browser: Browser, run_folder: Path) -> None:
    with opened(browser, run_folder / PAGES[0], script=False) as (page, _, _):
        for other in PAGES[1:]:
            page.goto((run_folder / PAGES[0]).as_uri())
            page.locator(f"a[href='{other}']").first.click()
            assert page.url == (run_folder / other).as_uri()


def test_search_leaves_the_pairs_that_have_every_word(browser: Browser, run_folder: Path) -> None:
    with opened(browser, run_folder / PAGES[0]) as (page, _, said):
        pairs, field = page.locator("#pairs details"), page.get_by_label("Search these pairs")
        assert pairs.count() == 10
        field.fill("HISTORY  1,")
        wanted = ["subject 1," in (pair.text_content() or "") for pair in pairs.all()]
        assert [pair.is_visible() for pair in pairs.all()] == wanted
        assert 0 < sum(wanted) < 10
        assert page.locator("#pairs [role=status]").inner_text() == f"{pairs.locator('visible=true').count()} of 10"
        field.fill("nobody wrote this")
        assert page.locator("#pairs [role=status]").inner_text() == "0 of 10"
        field.fill("")
        assert all(pair.is_visible() for pair in pairs.all())
        assert said == []


def test_without_script_there_is_no_search_and_every_pair(browser: Browser, run_folder: Path) -> None:
    with opened(browser, run_folder / PAGES[0], script=False) as (page, _, _):
        assert page.locator("input").count() == 0
        assert all(pair.is_visible() for pair in page.locator("#pairs details").all())


def test_a_principle_leads_to_the_pairs_that_it_decides(browser: Browser, run_folder: Path) -> None:
    with opened(browser, run_folder / PAGES[0]) as (page, _, _):
        page.locator("#glance a[href^='#principle-']").last.click()
        assert page.locator(f"[id='{page.url.partition('#')[2]}'] h3").is_visible()
        link = page.locator("article a[href^='#pair-']").first
        shown = page.locator(f"[id='{(link.get_attribute('href') or '')[1:]}'] .pair")
        assert not shown.is_visible()
        link.click()
        expect(shown).to_be_visible()  # it waits: the event that unfolds it may come after the click is done


@pytest.mark.parametrize("script", [True, False])
def test_hostile_text_is_only_text(browser: Browser, hostile: Path, script: bool) -> None:
    with opened(browser, hostile, script=script) as (page, requests, said):
        unfold(page)
        for fold in page.locator("summary").all():
            fold.hover()
        assert (requests, said) == ([hostile.as_uri()], [])
        assert page.locator("img, iframe, form, object, [onerror], [onload], [onmouseover]").count() == 0
        assert page.get_by_text("<script>alert('SCRIPT')</script>").count() > 3
        if script:
            assert violations(page) == []
