"""The page of a run of 100,000 pairs: small, at once there, and made in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from benchmarks.labelling import preceptor
from benchmarks.opening import time_to_open
from benchmarks.report_world import make_run
from reports.page import PAIRS_SHOWN
from tests.browsing import opened

PAIRS = 100_000
MEBIBYTE = 2**20


@pytest.mark.slow
def test_the_page_is_small_and_opens_at_once(browser: Browser, tmp_path: Path) -> None:
    make_run(tmp_path, PAIRS, principles=2)
    assert preceptor("report", tmp_path).peak_mib < 400
    page = tmp_path / "runs/bench/90-report.html"
    assert page.stat().st_size < 5 * MEBIBYTE
    found = time_to_open(browser, page)
    assert found.load < 2
    assert found.figure < 2
    with opened(browser, page) as (shown, requests, said):
        assert (requests, said) == ([page.as_uri()], [])
        assert shown.locator("#pairs details").count() == PAIRS_SHOWN
        assert shown.get_by_text(f"of {PAIRS:,} judged").count()
