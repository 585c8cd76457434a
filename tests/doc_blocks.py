"""The pages' code blocks, each with its place and its kind. One of no known kind is an error: none is passed over."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Literal, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("**/*.md")],
    key=lambda path: str(path.relative_to(ROOT)),
)
PROGRAMS = (
    "preceptor",
    "make",
    "pip",
    "python",
    "pipx",
    "vllm",
    "torchrun",
    "sqlite3",
    "ray",
    ".venv/bin/pytest",
    "export",
    "cp",
)
"""What a line of a console block may begin with."""
Kind = Literal["console", "yaml", "json", "jinja", "python", "workflow", "text"]
FENCES: dict[str, Kind] = {"yaml": "yaml", "json": "json", "python": "python", "console": "console", "text": "text"}
TEXT = {
    "README.md": ["constitution/   what we want"],
    "docs/calibration.md": ["p = sigmoid(", "follows: T 0.49"],
    "docs/constitution.md": ["logit = confidence *", "p = sum of w_k p_k"],
    "docs/judging.md": ["preference     (l_ab", "few-vowels: 960 calls"],
    "docs/trace-log.md": ["what-if from the one run:"],
    "docs/training.md": ["h = [log π(a|x)", "dpo    L = log(1", "dpo    dL/dθ = "],
}
"""Formulas and output, by page and first words: nothing in them can be executed. Output is held
against what the program prints in tests/test_docs_text.py."""


class Block(NamedTuple):
    """A block as it stands, without its indentation."""

    page: str
    line: int
    kind: Kind
    text: str

    @property
    def name(self) -> str:
        """Where it is."""
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    """Of every page. Raises ValueError for one whose kind cannot be told."""
    return [block for path in PAGES for block in _of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))]


def _of(page: str, text: str) -> Iterator[Block]:
    lines, at = text.split("\n"), 0
    while at < len(lines):
        fence = re.match(r" *```(\w*)$", lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            yield Block(page, at + 1, FENCES[fence[1]], _plain(lines[at + 1 : end]))
            at = end + 1
        elif lines[at].startswith("    ") and not lines[at - 1].strip() and not _in_list(lines, at):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            for start, part in _parts(lines[at:end]):
                yield Block(page, at + start + 1, _kind(page, at + start + 1, part), part)
            at = end
        else:
            at += 1


def _in_list(lines: list[str], at: int) -> bool:
    """Whether an indented line goes on with an item of a list instead of being code."""
    above = next((line for line in reversed(lines[:at]) if line.strip() and not line.startswith("    ")), "")
    return bool(re.match(r"\s*([-*]|\d+\.) ", above)) and not lines[at - 1].startswith("    ")


def _plain(lines: list[str]) -> str:
    return dedent("\n".join(lines)).strip("\n")


def _parts(lines: list[str]) -> Iterator[tuple[int, str]]:
    """An indented block in the pieces between its empty lines, if it holds several files; else whole."""
    whole = _plain(lines)
    if "\n\n" not in whole or whole.startswith("{%"):
        yield 0, whole
        return
    starts = [i for i, line in enumerate(lines) if line.strip() and (i == 0 or not lines[i - 1].strip())]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield start, _plain(lines[start:end])


def _kind(page: str, line: int, text: str) -> Kind:
    if any(text.startswith(words) for words in TEXT.get(page, ())):
        return "text"
    if all(each.startswith(PROGRAMS) for each in commands(text)):
        return "console"
    if text.startswith("{%"):
        return "jinja"
    if all(_is_json(each) for each in text.split("\n")) or _is_json(text):
        return "json"
    if "runs-on:" in text:
        return "workflow"
    if text.startswith("# yaml-language-server") or isinstance(yaml.safe_load(text), dict):
        return "yaml"
    raise ValueError(f"{page}:{line}: what kind of block is this? tests/doc_blocks.py knows {Kind}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def commands(text: str) -> list[str]:
    """The lines of a console block; one that a backslash or an indented line continues is one."""
    return [line for line in re.sub(r"\\?\n +", " ", text).split("\n") if line.strip()]
