"""The report of a large run: how long it takes, how much memory, how large the page is, how fast it opens.

    .venv/bin/python -m benchmarks.reporting [--pairs 100000]

The run is made first (benchmarks/report_world.py, some minutes for 100,000 pairs); `preceptor report` is then timed in
a process of its own and its page opened in a headless Chromium. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from benchmarks.labelling import preceptor
from benchmarks.opening import Opening, find_browser, time_to_open
from benchmarks.report_world import make_run

OPENINGS = 5


def figures(folder: Path) -> dict[str, float | int]:
    """What `preceptor report` on the run below `folder` costs, and what its page is like."""
    finished = preceptor("report", folder)
    page = folder / "runs/bench/90-report.html"
    opened = openings(page)
    return {
        "report_s": round(finished.seconds, 1),
        "peak_mib": round(finished.peak_mib),
        "page_bytes": page.stat().st_size,
        "json_bytes": page.with_suffix(".json").stat().st_size,
        "load_s": round(statistics.median(one.load for one in opened), 2),
        "figure_s": round(statistics.median(one.figure for one in opened), 2),
    }


def openings(page: Path) -> list[Opening]:
    """The page opened OPENINGS times, in one browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find_browser(playwright)
        assert path is not None, "needs a Chromium"
        # Chromium's sandbox refuses to work for root, and only a page of ours is opened.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        found = [time_to_open(browser, page) for _ in range(OPENINGS)]
        browser.close()
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="The report of a large run.")
    parser.add_argument("--pairs", type=int, default=100_000)
    pairs = parser.parse_args().pairs
    found = {}
    for count in (10, pairs):
        with tempfile.TemporaryDirectory() as name:
            make_run(Path(name), count)
            found[str(count)] = figures(Path(name))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
