"""Warnings that rest on what a run left: its audit card, its votes and its labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.labelling import CHECKS, write_run
from pipeline.run import run_pipeline
from tests.runs import preceptor
from tests.test_run import edit

# A "negation" that the judge by rules reads like the principle itself: it then follows no negation.
AUDIT = """
audit:
  probes: [negation]
  pairs: 24
  negations:
    p0: {text: Anything., check: {type: words, max: 30, scale: 19}}
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose judge does not follow the first negation, and where the last principle can turn nothing."""
    folder = tmp_path_factory.mktemp("linted")
    write_run(folder, 24, CHECKS[:3])
    edit(folder / "constitution.yaml", "principles:", "aggregation: {abstain_band: 0.05}\nprinciples:")
    edit(folder / "constitution.yaml", "Principle 0.", "No more than thirty words.")
    edit(folder / "constitution.yaml", "Principle 1.", "No list.")
    edit(folder / "constitution.yaml", "Principle 2.", "No opening phrase.")
    edit(folder / "constitution.yaml", "weight: 3", "weight: 0.1")
    with (folder / "run.yaml").open("a") as stream:
        stream.write(AUDIT)
    run_pipeline(("judge", "audit", "label"), folder / "run.yaml", {}, [], folder / "runs")
    return folder


def checked(folder: Path) -> str:
    return preceptor("constitution", "check", "constitution.yaml", "--run", "run.yaml", cwd=folder).stdout


@pytest.fixture
def read_by(audited: Path) -> Iterator[Callable[[str], None]]:
    """Has the card's judge be of another kind, so that no model is needed for its figures."""
    card = audited / "runs" / "bench" / "35-audit.json"
    was = card.read_text()

    def read(kind: str) -> None:
        said = json.loads(was)
        said["about"]["kind"] = kind
        card.write_text(json.dumps(said))

    yield read
    card.write_text(was)


def test_negative_phrasing_where_the_card_shows_a_weak_judge(audited: Path, read_by: Callable[[str], None]) -> None:
    read_by("llm")
    said = checked(audited)
    assert said.count("warning [weak-negation]") == 1
    assert "constitution.yaml:4:20: warning [weak-negation]: `p0`: is phrased negatively (`No`)" in said
    assert "under the opposite it prefers the other answer in 0 % [0 %, " in said
    assert "the audit card cannot tell whether the judge follows the negative phrasing of `p1`, `p2`" in said


@pytest.mark.parametrize("kind", ["rules", "reward-model"])
def test_phrasing_is_nothing_to_a_judge_that_reads_no_text(
    audited: Path, read_by: Callable[[str], None], kind: str
) -> None:
    read_by(kind)
    said = checked(audited)
    assert "weak-negation" not in said
    assert "negative phrasing" not in said


UNDECIDED = """
name: bench
principles:
  - {id: hardly, text: Short., weight: 2, check: {type: words, max: 70}}
  - {id: never, text: Plain., check: {type: pattern, pattern: zzz}}
"""


def test_principles_and_rules_that_leave_a_runs_pairs_undecided(audited: Path) -> None:
    """Of 24 pairs, those in which an answer has more words than `max`, counted here without the check."""
    (audited / "other.yaml").write_text(UNDECIDED)
    pairs = [json.loads(line) for line in (audited / "runs" / "bench" / "20-pairs.jsonl").read_text().splitlines()]
    over = [[max(0, len(pair[side]["text"].split()) - 70) for side in "ab"] for pair in pairs]
    alike = sum(a == b for a, b in over)
    assert (len(pairs), alike) == (24, 22)
    done = preceptor("constitution", "check", "other.yaml", "--run", "run.yaml", "--strict", cwd=audited)
    assert done.returncode == 1
    assert "other.yaml:4:50: warning [undecided]: `hardly`: is undecided on 22 of 24 pairs of the run" in done.stdout
    assert "other.yaml:5:38: warning [undecided]: `never`: is undecided on 24 of 24 pairs of the run" in done.stdout
    assert (
        "other.yaml:2:1: warning [few-labels]: 22 of 24 pairs of the run get no label under this constitution "
        "(22 undecided)"
    ) in done.stdout


def test_a_principle_that_decides_is_not_warned_of(audited: Path) -> None:
    said = checked(audited)
    assert "[undecided]: `p0`" not in said
    assert "[few-labels]" not in said


def test_a_constitution_that_the_judge_cannot_apply(audited: Path) -> None:
    (audited / "other.yaml").write_text("name: bench\nprinciples:\n  - {id: a, text: Be kind.}\n")
    done = preceptor("constitution", "check", "other.yaml", "--run", "run.yaml", cwd=audited)
    assert done.returncode == 0
    assert "not looked at: what is undecided, since judge `rules` applies the principles' checks, but " in done.stdout


def test_a_weight_that_could_turn_no_label_of_the_run(audited: Path) -> None:
    said = checked(audited)
    assert said.count("warning [idle]") == 1
    assert "`p2`: could turn none of the run's labels on the 24 pairs of 6 prompts with its vote" in said
    assert "warning [never-decides]: `p2`" in said


def test_another_constitution_than_the_labels_is_not_counted_with_them(audited: Path) -> None:
    text = (audited / "constitution.yaml").read_text()
    (audited / "other.yaml").write_text(text.replace("weight: 2", "weight: 4"))
    done = preceptor("constitution", "check", "other.yaml", "--run", "run.yaml", cwd=audited)
    assert "warning [idle]" not in done.stdout
    assert "40-labels.jsonl holds none of this constitution" in done.stdout


def test_damaged_labels_are_said_with_what_to_do(audited: Path) -> None:
    labels = audited / "runs" / "bench" / "40-labels.jsonl"
    was = labels.read_text()
    labels.write_text(was.replace("\n", '\n{"pair\n', 1))
    said = checked(audited)
    labels.write_text(was)
    assert "since it is damaged: runs/bench/40-labels.jsonl:2:2: this quotation mark is never closed" in said
    assert "remove runs/bench/40-labels.jsonl, and `preceptor label` makes it again" in said
