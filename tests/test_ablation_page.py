"""The ablation's page and sentences: closed tags, nothing loaded, every figure with its n, and in the run's report."""

from __future__ import annotations

import pytest

from benchmarks.ablation_world import simulated
from constitution.errors import ConfigError
from reports.ablation.analyse import analyse
from reports.ablation.page import render_ablation
from reports.ablation.plan import Asked, make_plan, random_subsets
from reports.ablation.records import AblationReport
from reports.ablation.words import cell_sentence, found_cells, headline, summary_lines
from reports.page import POLICY, render
from tests.reporting import report_data
from tests.test_label_sets import constitution
from tests.test_report import Page


@pytest.fixture(scope="module")
def report() -> AblationReport:
    return analyse(simulated(1, 3, learns=True))


@pytest.fixture(scope="module")
def page(report: AblationReport) -> Page:
    return Page(render_ablation(report))


def test_the_page_is_whole_and_loads_nothing(page: Page) -> None:
    assert page.open == []
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.named("meta")
    assert not page.named("script") + page.named("link") + page.named("img")
    links = {attributes["href"] for attributes in page.named("a")}
    assert {link for link in links if not link.startswith("#")} == {"70-ablation.json", "70-ablation.csv"}
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_the_same_report_gives_the_same_bytes(report: AblationReport) -> None:
    again = AblationReport.model_validate_json(report.model_dump_json())
    assert again == report
    assert render_ablation(again) == render_ablation(report)


def test_every_cell_is_in_the_picture_and_in_the_table_with_its_n(page: Page, report: AblationReport) -> None:
    assert len(report.cells) == 16
    assert page.text.count("of 120 prompts, 3 seeds") >= len(report.cells)
    for cell in report.cells:
        assert f"{cell.effect.estimate:+.2f}".replace("-", "−") in page.text
    undetected = [cell for cell in report.cells if cell.outcome == "undetected"]
    assert undetected
    assert all("would have been detected" in cell.verdict for cell in undetected)


def test_what_was_found_is_said(report: AblationReport) -> None:
    assert ("wanted",) in [cell.left_out for cell in found_cells(report)]
    said = "\n".join(summary_lines(report))
    assert "wanted raises the held-out margin along wanted by +0." in said
    assert "sham of wanted: passed" in said
    assert "duplicate of wanted: passed: both copies together change 0 of 60 labels" in said
    assert "twin-a, twin-b: they may hide each other" in said
    assert "`--without twin-a+twin-b` would tell" in said
    assert headline(report).startswith("4 of 4 principles have an effect that was found")


def test_one_seed_is_said_everywhere() -> None:
    alone = analyse(simulated(1, 1, learns=False))
    assert any(note.startswith("one seed: every interval is over held-out prompts alone") for note in alone.notes)
    assert "alone, for there is one seed" in " ".join(Page(render_ablation(alone)).text.split())
    assert headline(alone).startswith("Leaving a principle out changed nothing that could be detected")
    sentence = cell_sentence(alone.cells[0], alone.behaviours)
    assert "no detectable effect; one of at least" in sentence
    assert "1 seed)" in sentence


def test_a_control_that_fails_is_said_to_fail(report: AblationReport) -> None:
    broken = tuple(control.model_copy(update={"passed": False, "verdict": "wrong"}) for control in report.controls)
    said = summary_lines(report.model_copy(update={"controls": broken}))
    assert sum("NOT passed: wrong" in line for line in said) == 2


def test_the_runs_report_shows_the_matrix_and_links_the_page(report: AblationReport) -> None:
    plain, shown = report_data(), report_data().model_copy(update={"ablation": report})
    assert "70-ablation.html" not in render(plain)
    page = Page(render(shown))
    assert page.open == []
    assert {"href": "70-ablation.html"} in page.named("a")
    assert "wanted raises the held-out margin along wanted" in page.text.replace("\u00a0", " ")


def test_a_plan_is_all_principles_each_left_out_and_different_subsets() -> None:
    plan = make_plan(constitution(), {"brave": 5, "calm": 50}, Asked(seeds=2, subsets=2), 7)
    assert plan.seeds == (7, 8)
    assert plan.players == ("brave", "calm", "dry")
    assert plan.model == "calm", "the weight times the pairs it voted on: 1 x 50 against 2 x 5"
    assert [variant.kind for variant in plan.variants] == [
        "all", "without", "without", "without", "none", "sham", "half", "subset", "subset"
    ]  # fmt: skip
    assert len({variant.kept for variant in plan.of_kind("all", "without", "none", "subset")}) == 7
    assert plan == make_plan(constitution(), {"brave": 5, "calm": 50}, Asked(seeds=2, subsets=2), 7)
    assert plan.lacking("calm", "dry") in (None, *plan.of_kind("subset"))


def test_subsets_run_out() -> None:
    found = random_subsets("abcd", 99, {frozenset("abc")}, 0)
    assert len(found) == len(set(found)) == 2**4 - 2 - 1
    assert frozenset("abc") not in found
    assert all(0 < len(one) < 4 for one in found)
    assert random_subsets("a", 5, (), 0) == []


def test_an_id_that_cannot_be_left_out_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"--without: `plain` is no principle with a weight above 0; there are: brave, calm, dry"
    ):
        make_plan(constitution(), {}, Asked(without=("brave+plain",)), 0)
