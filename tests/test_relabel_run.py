"""Labels again under other weights, through the command's own code: no vote is read, and not a byte differs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.labelling import reweigh, write_run
from constitution.errors import DataError
from constitution.files import read_records, write_records
from generate.records import Pair
from judge.records import Label
from pipeline.run import run_pipeline
from tests.test_run import edit, votes_in

PAIRS, PRINCIPLES = 24, 8
SHARES, VOTES = "re-weighted from the shares", "made from the votes"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight principles, judged by rules and labelled."""
    folder = tmp_path_factory.mktemp("labelled")
    write_run(folder, PAIRS)
    go(folder, "judge", "label")
    return folder


@pytest.fixture
def folder(labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    subprocess.run(["cp", "-a", f"{labelled}/.", str(tmp_path)], check=True)
    capsys.readouterr()
    return tmp_path


def go(folder: Path, *stages: str) -> None:
    run_pipeline(stages, folder / "run.yaml", {}, [], folder / "runs")


def labels_file(folder: Path) -> Path:
    return folder / "runs" / "bench" / "40-labels.jsonl"


def from_votes(folder: Path) -> bytes:
    """What the same constitution gives without the old labels."""
    labels_file(folder).unlink()
    go(folder, "label")
    return labels_file(folder).read_bytes()


def test_other_weights_give_the_same_labels_as_the_votes_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = labels_file(folder).read_bytes()
    reweigh(folder, 11)
    go(folder, "judge", "label")
    said, again = capsys.readouterr().out, labels_file(folder).read_bytes()
    assert "judge: nothing to do" in said
    assert SHARES in said
    assert again != before
    assert from_votes(folder) == again
    assert VOTES in capsys.readouterr().out


def test_another_rule_gives_the_same_labels_as_the_votes_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder / "constitution.yaml", "principles:", "aggregation: {rule: majority, abstain_band: 0.1}\nprinciples:")
    go(folder, "label")
    again = labels_file(folder).read_bytes()
    assert SHARES in capsys.readouterr().out
    assert from_votes(folder) == again


@pytest.mark.parametrize(
    ("old", "new"), [("Principle 3.", "Principle three."), ("id: p3", "id: third"), ("id: p3", "scope: [x], id: p3")]
)
def test_a_changed_principle_is_labelled_from_votes(
    folder: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder / "constitution.yaml", old, new)
    reweigh(folder, 11)
    go(folder, "judge", "label")
    assert VOTES in capsys.readouterr().out
    kept = labels_file(folder).read_bytes()
    assert from_votes(folder) == kept


def test_labels_that_somebody_has_touched_are_not_built_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = read_records(labels_file(folder), Label)
    wrong = [label.model_copy(update={"shares": label.shares[:1]}) for label in labels]
    write_records(labels_file(folder), [label.model_copy(update={"p": None, "reason": "x"}) for label in wrong])
    reweigh(folder, 11)
    go(folder, "label")
    assert VOTES in capsys.readouterr().out
    assert all(len(label.shares) == PRINCIPLES for label in read_records(labels_file(folder), Label))


def test_one_of_eight_principles_costs_an_eighth_and_leaving_one_out_nothing(folder: Path) -> None:
    store, account = folder / "runs" / "bench" / "30-votes.sqlite", folder / "runs" / "bench" / "30-votes.json"
    edit(folder / "constitution.yaml", "Principle 3.", "Principle three.")
    go(folder, "judge", "label")
    assert json.loads(account.read_text())["count"]["asked"] == PAIRS
    assert len(votes_in(store)) == PAIRS * (PRINCIPLES + 1)
    lines = (folder / "constitution.yaml").read_text().splitlines()
    (folder / "constitution.yaml").write_text("\n".join(line for line in lines if "id: p5" not in line) + "\n")
    go(folder, "judge", "label")
    assert json.loads(account.read_text())["count"]["asked"] == 0
    assert len(votes_in(store)) == PAIRS * (PRINCIPLES + 1)
    assert {len(label.shares) for label in read_records(labels_file(folder), Label)} == {PRINCIPLES - 1}


def test_pairs_of_one_prompt_must_be_neighbours(folder: Path) -> None:
    pairs_file, before = folder / "runs" / "bench" / "20-pairs.jsonl", labels_file(folder).read_bytes()
    pairs = read_records(pairs_file, Pair)
    write_records(pairs_file, pairs[1:] + pairs[:1])
    with pytest.raises(DataError, match="the pairs of prompt `p0` are not next to each other"):
        go(folder, "judge", "label")
    assert labels_file(folder).read_bytes() == before
