"""Links within the repository: the file is there, and so is the heading."""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def faults(page: Path) -> list[str]:
    """What is wrong with a page's links."""
    found = []
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        if not path.exists():
            found.append(f"{target}: there is no such file")
        elif anchor and anchor not in anchors(path):
            found.append(f"{target}#{anchor}: no such heading")
    return found


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them: lower case, spaces to hyphens, punctuation gone."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}
