"""The docs as a site: it builds without a warning, every page is in it, and nothing comes from another server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.doc_blocks import ROOT, blocks

LOADS = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
"""Elements that make a browser fetch something, and where they say what."""


class Page(HTMLParser):
    """What a page fetches, and what it links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get(LOADS.get(tag, "")):
            self.fetched.append(given[LOADS[tag]])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it, elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def test_the_navigation_has_every_page_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    listed = re.findall(r"[\w-]+\.md", str(nav))
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md")), "add it to mkdocs.yml"


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        assert [one for one in Page(path).fetched if re.match(r"(?:https?:)?//", one)] == [], path
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_links_between_pages_and_to_sources_lead_somewhere(site: Path) -> None:
    followed = 0
    for path in site.rglob("*.html"):
        for link in Page(path).links:
            target = link.split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and path.name != "404.html":
                assert (path.parent / target).exists(), f"{path}: {link}"
                followed += "source/" in target
    assert followed > 10


def test_code_blocks_are_code_in_the_site_too(site: Path) -> None:
    """An indented block right after a list would be swallowed by it."""
    for page in (ROOT / "docs").glob("*.md"):
        html = (site / f"{page.stem}.html").read_text(encoding="utf-8")
        code = unescape(
            " ".join(re.sub(r"<[^>]+>", "", part) for part in re.findall(r"<pre.*?</pre>", html, re.DOTALL))
        )
        wanted = [block for block in blocks() if block.page == f"docs/{page.name}"]
        assert [block.name for block in wanted if block.text.split("\n")[-1].strip() not in code] == []
