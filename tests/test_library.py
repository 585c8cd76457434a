"""The constitutions that are shipped: each loads, is linted without a warning, and is what its README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitution.errors import JudgeError
from constitution.load import read_constitution
from pipeline.lint import lint
from tests.judging import rules_judge
from tests.runs import preceptor

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LIBRARY = EXAMPLES / "constitutions"
SHIPPED = sorted([*LIBRARY.glob("*.yaml"), *EXAMPLES.glob("*/constitution.yaml")])
README = (LIBRARY / "README.md").read_text(encoding="utf-8")
RULES = {"weighted mean": "weighted_mean", "random principle": "random_principle"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_it_loads_and_there_is_nothing_to_warn_of(path: Path) -> None:
    linted = lint(read_constitution(path), [], None, {}, Path("runs"))
    assert [str(finding) for finding in linted.findings] == []


def test_the_readme_lists_what_is_there() -> None:
    rows = re.findall(r"^\| \[(\S+)\]\(\1\) \|.*\| (\d+) \| (.*) \|$", README, re.MULTILINE)
    found = {path.name: read_constitution(path).constitution for path in LIBRARY.glob("*.yaml")}
    assert {name: (int(count), RULES[rule]) for name, count, rule in rows} == {
        name: (len(each.principles), each.aggregation.rule) for name, each in found.items()
    }
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", README))
    assert named <= {principle.id for each in found.values() for principle in each.principles}


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.name)
def test_the_readme_says_of_every_principle_what_is_known(path: Path) -> None:
    """A section a file, a row a principle, in the file's order, no cell empty."""
    (section,) = re.findall(rf"^## {re.escape(path.name)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `([a-z-]+)` \| (\S.*?) \| (\S.*) \|$", section, re.MULTILINE)
    assert [i for i, _, _ in rows] == [one.id for one in read_constitution(path).constitution.principles]


def test_the_readmes_figures_are_those_of_the_demo() -> None:
    demo = (EXAMPLES.parent / "docs" / "demo.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## plain-speech.yaml\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    figures = re.findall(r"[\d.]+ %? ?\[[\d., ]+\]", section)
    assert len(figures) == 5
    assert [figure for figure in figures if figure not in demo] == []


def test_the_shape_of_the_sixteen() -> None:
    text = (LIBRARY / "cai-shape.yaml").read_text(encoding="utf-8")
    constitution = read_constitution(LIBRARY / "cai-shape.yaml").constitution
    assert [int(number) for number in re.findall(r"- id: \S+ +# (\d+): ", text)] == list(range(1, 17))
    assert len(constitution.principles) == 16
    assert {principle.weight for principle in constitution.principles} == {1.0}


def test_the_commands_in_the_readme(tmp_path: Path) -> None:
    shown = preceptor("constitution", "show", LIBRARY / "plain-speech.yaml", cwd=tmp_path)
    assert shown.returncode == 0
    assert "short-answer: 15.4% of the weight (2 of 13)" in shown.stdout
    checked = preceptor("constitution", "check", LIBRARY / "honesty.yaml", "--strict", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_plain_speech_needs_a_judge_that_reads_as_its_comment_says() -> None:
    with pytest.raises(JudgeError, match="concrete, terms-explained, who-does-what"):
        rules_judge(read_constitution(LIBRARY / "plain-speech.yaml").constitution)


def test_the_files_that_the_readme_links_exist() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (LIBRARY / target).exists(), target
