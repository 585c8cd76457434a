"""Warnings that rest on what a run left: its audit card and its labels."""

from __future__ import annotations

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


def test_negative_phrasing_where_the_card_shows_a_weak_judge(audited: Path) -> None:
    said = checked(audited)
    assert said.count("warning [weak-negation]") == 1
    assert "constitution.yaml:4:20: warning [weak-negation]: `p0`: is phrased negatively (`No`)" in said
    assert "under the opposite it prefers the other answer in 0 % [0 %, " in said
    assert "the audit card cannot tell whether the judge follows the negative phrasing of `p1`, `p2`" in said


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
