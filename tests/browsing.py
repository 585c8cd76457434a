"""Pages in a real headless Chromium, as one meets them with a keyboard, on a phone, on paper, or without script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""axe-core's tags: WCAG 2.0 to 2.2, levels A and AA, and what axe recommends besides."""
DESK, PHONE, PAPER = 1280, 360, 718
"""Widths in CSS pixels; A4 less a margin of a centimetre is 718."""
REACHABLE = "a[href], summary, button, input, select, textarea, [tabindex='0']"


class Opened(NamedTuple):
    """A page that has loaded, what it asked for, and what it said on the console."""

    page: Page
    requests: list[str]
    said: list[str]


@contextmanager
def opened(
    browser: Browser, path: Path, *, script: bool = True, scheme: Any = "light", width: int = DESK
) -> Iterator[Opened]:
    """The page in a window of its own, loaded to its end."""
    context = browser.new_context(
        java_script_enabled=script, color_scheme=scheme, viewport={"width": width, "height": 900}
    )
    requests: list[str] = []
    said: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        page.goto(path.as_uri())
        yield Opened(page, requests, said)
    finally:
        context.close()


def unfold(page: Page) -> None:
    """Open everything that is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


def violations(page: Page) -> list[str]:
    """What axe-core finds, one line each. Needs script. The shades at the edges of what scrolls are taken away, for on
    them axe measures no contrast."""
    page.evaluate("document.querySelectorAll('.scroll, pre').forEach(box => { box.style.backgroundImage = 'none' })")
    options = {"resultTypes": ["violations"], "runOnly": list(RULES)}
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]}: {node['failureSummary']}" for fault in found for node in fault["nodes"]
    ]


def wider_than(page: Page, width: int) -> list[str]:
    """The elements that reach beyond the page's right edge, outside of what scrolls by itself."""
    return json.loads(
        page.evaluate(
            """width => JSON.stringify([...document.querySelectorAll('body *')]
              .filter(e => e.checkVisibility() && !e.closest('.skip, .scroll, pre') &&
                           e.getBoundingClientRect().right > width + 1)
              .map(e => e.outerHTML.slice(0, 120)))""",
            width,
        )
    )


def cut_off(page: Page) -> list[str]:
    """The boxes that show less than they hold: on paper nobody can scroll."""
    return json.loads(
        page.evaluate(
            """() => JSON.stringify([...document.querySelectorAll('.scroll, pre')]
              .filter(e => e.checkVisibility() &&
                           (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX != 'visible' ||
                            Math.max(0, ...[...e.children].map(c => c.getBoundingClientRect().right)) > innerWidth + 1))
              .map(e => (e.getAttribute('aria-label') || e.outerHTML).slice(0, 120)))"""
        )
    )


def without_data(page: Page) -> list[str]:
    """The figures that lack a name, or a caption that says its interval, its n and where its data are."""
    return [fault for figure in page.locator("figure").all() if (fault := _lacking(figure))]


def _lacking(figure: Locator) -> str:
    name, caption = (
        figure.locator("svg[role=img]:not(.phone)").get_attribute("aria-label") or "",
        figure.locator("figcaption"),
    )
    text = caption.inner_text()
    lacks = [
        *(["name"] if len(name) <= 15 else []),
        *(["interval"] if "interval" not in text or len(text) <= 60 else []),
        *(["n"] if not re.search(r"\bn (=|counts|is)", text) else []),
        *(["data"] if not caption.locator("a[href$='.csv'], a[href$='.json']").count() else []),
    ]
    return f"{name}: no {', '.join(lacks)}" if lacks else ""


def unreached(page: Page) -> list[str]:
    """The visible links, folds, buttons, fields and scrolling boxes that the tab key does not come to, in one round."""
    page.evaluate(
        f"""() => {{ window.wanted = [...document.querySelectorAll("{REACHABLE}")].filter(e => e.checkVisibility());
                    window.met = new Set(); document.addEventListener('focusin', e => window.met.add(e.target)) }}"""
    )
    for _ in range(page.evaluate("window.wanted.length + 1")):
        page.keyboard.press("Tab")
    left = "JSON.stringify(window.wanted.filter(e => !window.met.has(e)).map(e => e.outerHTML.slice(0, 120)))"
    return json.loads(page.evaluate(left))
