"""The report's section of one principle: all that this run was told of it, as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from constitution.checks import PatternCheck
from constitution.model import Example
from reports.data import ReportData
from reports.page import render
from tests.browsing import DESK, PHONE, opened, wider_than
from tests.reporting import report_data

HOSTILE = '<b onclick="x()">{{ 7 * 7 }}</b>'


@pytest.fixture(scope="module")
def data() -> ReportData:
    """A run whose last principle has everything that a principle can have."""
    made = report_data()
    first, *between, last = made.constitution.principles
    whole = last.model_copy(
        update={
            "weight": 0.5,
            "source": "crowd",
            "question": f"Which one? {HOSTILE}",
            "check": PatternCheck(type="pattern", pattern=f"certainly|{HOSTILE}", opening=80, scale=2.5),
            "examples": (Example(prompt="a", better="b", worse="c"),),
        }
    )
    law = made.constitution.model_copy(update={"principles": (first, *between, whole)})
    return made.model_copy(update={"constitution": law})


def settings_of(browser: Browser, data: ReportData, folder: Path, principle: str, width: int = DESK) -> dict[str, str]:
    """Name and words of every row of the principle's list, as a reader sees them."""
    (folder / "page.html").write_text(render(data), encoding="utf-8")
    with opened(browser, folder / "page.html", width=width) as (page, requests, said):
        rows = page.locator(f"#principle-{principle} dl > div").all()
        found = {row.locator("dt").inner_text(): row.locator("dd").inner_text() for row in rows}
        assert not wider_than(page, width)
    assert (len(requests), said) == (1, [])
    return found


def test_every_threshold_that_the_run_used_is_on_the_page(browser: Browser, data: ReportData, tmp_path: Path) -> None:
    assert settings_of(browser, data, tmp_path, "short-answer") == {
        "Weight": "3, 55 % of all",
        "Applies to": "every prompt",
        "Axis": "brevity",
        "Check": '{"scale": 20.0, "type": "words", "min": 1, "max": 12}',
    }


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_so_is_everything_else_and_hostile_text_is_only_text(
    browser: Browser, data: ReportData, tmp_path: Path, width: int
) -> None:
    found = settings_of(browser, data, tmp_path, "no-filler", width)
    assert found["Weight"] == "0.5, 9 % of all"
    assert found["Voted on by"] == "source crowd"
    assert found["Question"] == f"Which one? {HOSTILE}"
    for said in ('"opening": 80', '"scale": 2.5', '"want": "absent"', '"per_word": false', "{{ 7 * 7 }}"):
        assert said in found["Check"]
    assert found["Examples"] == "1 worked comparison"
    assert settings_of(browser, data, tmp_path, "no-first-person", width)["Applies to"] == "prompts tagged howto, fact"
