"""How long a page takes to open in a real headless Chromium."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")


class Opening(NamedTuple):
    """Seconds from the request for the page."""

    load: float
    """To the load event, as the browser notes it."""
    figure: float
    """Until the first figure is visible, by our clock."""


def find_browser(playwright: Playwright) -> str | None:
    """The path of a Chromium on this machine: the system's, else playwright's own; None if there is neither."""
    found = [path for command in COMMANDS if (path := shutil.which(command))]
    own = playwright.chromium.executable_path
    return found[0] if found else own if Path(own).exists() else None


def time_to_open(browser: Browser, path: Path) -> Opening:
    """Open the page in a window of its own that has nothing cached."""
    context = browser.new_context()
    page = context.new_page()
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.locator("figure svg").first.wait_for(state="visible")
    figure = time.perf_counter() - started
    load = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    context.close()
    return Opening(load / 1000, figure)
