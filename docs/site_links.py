"""For mkdocs: a page may link to files outside docs/. They come along in the site, under source/, and the links follow.

On a repository's page the same links work as they are written.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]+)?\)")
BESIDE = "source/"
"""Where in the site the files from outside docs/ are."""


def on_files(files: Any, config: Any) -> Any:
    """Adds what the pages link to, and what the pages among that link to in turn."""
    from mkdocs.structure.files import File

    found: set[Path] = set()
    waiting = [DOCS / file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        outside = {target for target in targets(page) if not target.is_relative_to(DOCS)} - found
        found |= outside
        waiting += [target for target in outside if target.suffix == ".md"]
    for path in sorted(found):
        files.append(File.generated(config, site_name(path), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page's links as they are from where the page is in the site."""
    here = repository_path(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = os.path.relpath(site_name(target_of(here, match[1])), os.path.dirname(page.file.src_uri) or ".")
        return f"]({target}{match[2] or ''})"

    return LINK.sub(moved, markdown)


def targets(page: Path) -> set[Path]:
    """The files of the repository that the page links to."""
    return {target_of(page, link) for link, _ in LINK.findall(page.read_text(encoding="utf-8"))}


def target_of(page: Path, link: str) -> Path:
    """A folder stands for the page that describes it."""
    path = (page.parent / link).resolve()
    return path / "README.md" if path.is_dir() else path


def site_name(path: Path) -> str:
    """The file's path in the site's sources."""
    inside = path.is_relative_to(DOCS)
    return path.relative_to(DOCS).as_posix() if inside else BESIDE + path.relative_to(ROOT).as_posix()


def repository_path(name: str) -> Path:
    """Where the site's file really is."""
    return ROOT / name.removeprefix(BESIDE) if name.startswith(BESIDE) else DOCS / name
