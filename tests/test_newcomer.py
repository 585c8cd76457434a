"""A newcomer's walk: docs/first-run.md from its first command to its last, as it is written, on a copy of the example.

Only `make demo` is left out, and the run has a random model of two layers, which takes seconds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from generate.engine import ModelRef
from tests.doc_blocks import ROOT, blocks, commands
from tests.doc_synopses import stripped
from tests.runs import environment
from tests.test_run import edit

PAGE = "docs/first-run.md"
CONSTITUTION = Path("examples/mine/constitution.yaml")


@pytest.fixture(scope="module")
def walked(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder that the walk was made in, and what each command printed; a second run of one is kept as `again`."""
    folder = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(ROOT / "examples" / "first-run", folder / "examples" / "first-run")
    shutil.copytree(
        ROOT / "constitution", folder / "constitution", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    edit(folder / "examples" / "first-run" / "run.yaml", "bundled:smollm2-135m-instruct", tiny_model.path)
    said: dict[str, str] = {}
    for block in (each for each in blocks() if each.page == PAGE):
        if block.kind == "yaml":
            put_in(folder / CONSTITUTION, block.text)
        for line in commands(block.text) if block.kind == "console" else []:
            if not line.startswith("make "):
                known = stripped(line)
                said[f"again: {known}" if known in said else known] = done(known, folder)
    return folder, said


def put_in(constitution: Path, principle: str) -> None:
    """The page's principle in place of the one with its id, as an editor would."""
    name = yaml.safe_load(principle)[0]["id"]
    text = constitution.read_text(encoding="utf-8")
    written = textwrap.indent(principle, "  ") + "\n"
    changed, times = re.subn(rf"  - id: {name}\n(?:    .*\n)+", lambda _: written, text)
    assert times == 1
    constitution.write_text(changed, encoding="utf-8")


def done(line: str, folder: Path) -> str:
    """A command of the page in a process of its own."""
    program, *words = line.split()
    start = [sys.executable, "-m", "pipeline.cli"] if program == "preceptor" else [program]
    result = subprocess.run(
        [*start, *words], cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, (line, result.stdout, result.stderr)
    return result.stdout


def only(said: dict[str, str], *words: str) -> str:
    (found,) = [text for line, text in said.items() if all(word in line for word in words)]
    return found


def test_the_page_has_every_step(walked: tuple[Path, dict[str, str]]) -> None:
    _, said = walked
    assert [line.split()[0] for line in said] == [
        "cp", "preceptor", "cp", "cp", "preceptor", "preceptor", "preceptor", "again:", "preceptor", "preceptor"
    ]  # fmt: skip


def test_diff_says_what_changed_and_what_it_costs(walked: tuple[Path, dict[str, str]]) -> None:
    _, said = walked
    text = only(said, "constitution diff")
    assert "reworded short-answer: text, check" in text
    assert "+ The answer is one short sentence of at most eight words." in text
    wanted = re.search(r"votes \(n = (\d+) stored\): (\d+) of them are of no use any more", text)
    assert wanted
    stored, useless = map(int, wanted.groups())
    assert 0 < useless == stored // 3
    assert f"{useless} to ask (short-answer {useless} by `rules`)" in text
    assert "cp -r runs/first-run runs/first-run-before" in text


def test_the_dry_run_promises_what_the_run_does(walked: tuple[Path, dict[str, str]]) -> None:
    _, said = walked
    promised, ran = only(said, "--dry-run"), said["again: preceptor run examples/mine/run.yaml"]
    assert "generate: nothing to do" in promised
    assert "generate: nothing to do" in ran
    (asked,) = re.findall(r"votes wanted, \d+ stored, (\d+) to ask\n    short-answer", promised)
    assert f"judge `rules`: {asked} votes asked" in ran


def test_the_page_of_the_comparison_says_what_changed(walked: tuple[Path, dict[str, str]]) -> None:
    folder, said = walked
    text, page = only(said, "compare"), (folder / "changed.html").read_text(encoding="utf-8")
    for shown in (text, page):
        assert "short-answer" in shown
        assert "The answer is one short sentence of at most eight words." in shown
        assert "The answer is short." in shown
    assert re.search(r"\d+ pairs in both runs", text)
    report = (folder / "runs" / "first-run" / "90-report.html").read_text(encoding="utf-8")
    assert "at most eight words" in report


def test_the_principle_can_be_followed_through_the_run(walked: tuple[Path, dict[str, str]]) -> None:
    _, said = walked
    assert "short-answer" in only(said, "trace")
