"""`preceptor trace` and `preceptor conflicts` on a labelled run, through the real command line."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.labelling import write_run
from constitution.files import read_records, write_records
from generate.records import Pair
from judge.records import Label
from pipeline.run import run_pipeline
from reports.pair_trace import PairTrace
from reports.principle_trace import PrincipleTrace, held_out, pull_by_period, pull_over
from reports.principle_words import held_out_sentence
from tests.runs import preceptor
from tests.test_run import edit

PAIRS, PRINCIPLES = 24, 8


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight principles, judged by rules and labelled; the first two are on axes of their own."""
    folder = tmp_path_factory.mktemp("labelled")
    write_run(folder, PAIRS)
    edit(folder / "constitution.yaml", "{id: p0,", "{id: p0, axis: brevity,")
    edit(folder / "constitution.yaml", "{id: p6,", "{id: p6, axis: sound,")
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    return folder


@pytest.fixture
def copied(labelled: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", f"{labelled}/.", str(tmp_path)], check=True)
    return tmp_path


def labels_of(folder: Path) -> list[Label]:
    return read_records(folder / "runs" / "bench" / "40-labels.jsonl", Label)


def a_trained_one(labels: list[Label]) -> int:
    return next(place for place, label in enumerate(labels) if label.p is not None)


def refused(*arguments: object, cwd: Path) -> str:
    result = preceptor(*arguments, cwd=cwd)
    assert result.returncode == 2, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_pair_is_followed_from_its_votes_to_its_label(labelled: Path, tmp_path: Path) -> None:
    labels, out = labels_of(labelled), tmp_path / "pair.json"
    label = labels[a_trained_one(labels)]
    result = preceptor("trace", "run.yaml", "--pair", label.pair_key[:10], "--json", out, cwd=labelled)
    assert result.returncode == 0, result.stderr
    found = PairTrace.model_validate_json(out.read_text())
    assert (found.label, found.pair.key) == (label, label.pair_key)
    assert "made again from the stored votes: the same bit for bit" in result.stdout
    assert f"    {found.pair.a.text}" in result.stdout
    assert [row.principle for row in found.principles] == [f"p{i}" for i in range(PRINCIPLES)]
    assert all(len(row.votes) == 1 for row in found.principles)
    assert label.p is not None
    assert sum(row.part or 0 for row in found.principles) == pytest.approx(label.p - 0.5, abs=1e-12)


def test_a_principle_is_followed_to_the_labels_that_hang_on_it(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "principle.json"
    result = preceptor("trace", "run.yaml", "--principle", "p6", "--json", out, cwd=labelled)
    assert result.returncode == 0, result.stderr
    found = PrincipleTrace.model_validate_json(out.read_text())
    assert found.weight_share == pytest.approx(7 / 36)
    assert found.decided.voted == PAIRS
    assert len(found.conflicts) == PRINCIPLES - 1
    assert len(found.pairs) == found.decided.flips + found.decided.vanishes + found.decided.appears
    assert "not trained yet" in result.stdout
    assert "`preceptor behaviour` compares the models" in result.stdout


def test_the_conflict_map_and_the_dial(labelled: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "map.json", tmp_path / "map.csv"
    arguments = ("--dial", "brevity:sound", "--json", out, "--csv", table)
    result = preceptor("conflicts", "run.yaml", *arguments, cwd=labelled)
    assert result.returncode == 0, result.stderr
    found = json.loads(out.read_text())
    assert len(found["map"]["conflicts"]) == PRINCIPLES * (PRINCIPLES - 1) // 2
    assert found["dial"]["points"][5]["flipped"]["hits"] == 0
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["first"] for row in rows] == [row["first"] for row in found["map"]["conflicts"]], "no tags: a row each"
    assert int(rows[0]["disagree.hits"]) == found["map"]["conflicts"][0]["all"]["disagree"]["hits"]
    assert result.stdout.count("they disagree on") == len([r for r in rows if r["disagree.value"]])
    assert "The dial from brevity (0) to sound (1)" in result.stdout


def test_what_cannot_be_followed_is_said_in_one_sentence(labelled: Path, tmp_path: Path) -> None:
    assert "give exactly one of --principle, --pair, --behaviour, --response; 0 were given" in refused(
        "trace", "run.yaml", "--json", "out.json", cwd=labelled
    )
    assert "which `train` makes" in refused("trace", "run.yaml", cwd=labelled)
    both = refused("trace", "run.yaml", "--pair", "a", "--principle", "p0", cwd=labelled)
    assert "2 were given" in both
    assert "`p9`: the constitution has: p0, p1" in refused("trace", "run.yaml", "--principle", "p9", cwd=labelled)
    assert "no pair of the run has a key that begins so" in refused("trace", "run.yaml", "--pair", "xyz", cwd=labelled)
    first = [label.pair_key[0] for label in labels_of(labelled)]
    letter = max(first, key=first.count)
    ambiguous = refused("trace", "run.yaml", "--pair", letter, cwd=labelled)
    assert f"`{letter}`: {first.count(letter)} pairs begin so: " in ambiguous
    assert "--dial: `brevity` must name two axes" in refused("conflicts", "run.yaml", "--dial", "brevity", cwd=labelled)
    wrong = refused("conflicts", "run.yaml", "--dial", "brevity:taste", cwd=labelled)
    assert "no principle with a weight is on axis `taste`; the constitution has: brevity, general, sound" in wrong
    nowhere = refused("conflicts", "run.yaml", "--json", tmp_path / "no" / "folder.json", cwd=labelled)
    assert "folder.json: cannot be written (No such file or directory)" in nowhere
    unlabelled = refused("trace", "run.yaml", "--principle", "p0", "--name", "other", cwd=labelled)
    there = f"there is no runs/other/20-pairs.jsonl in {labelled}: run `preceptor run run.yaml --name"
    assert f"`trace` reads 20-pairs.jsonl, which `generate` makes, but {there}" in unlabelled
    unjudged = refused("whatif", "run.yaml", "--drop", "p0", "--name", "other", cwd=labelled)
    assert f"`whatif` reads 20-pairs.jsonl, which `generate` makes, but {there}" in unjudged
    assert "`whatif` reads 50-training.json" in refused("whatif", "run.yaml", "--drop", "p0", cwd=labelled)
    assert not (labelled / "runs" / "other").exists(), "looking makes no folder"


def test_a_label_that_the_votes_do_not_give_is_refused(copied: Path) -> None:
    labels = labels_of(copied)
    place = a_trained_one(labels)
    wrong = labels[place].model_copy(update={"p": 0.25})
    write_records(copied / "runs" / "bench" / "40-labels.jsonl", [*labels[:place], wrong, *labels[place + 1 :]])
    said = refused("trace", "run.yaml", "--pair", wrong.pair_key, cwd=copied)
    assert f"pair {wrong.pair_key}: the stored label is not what the stored votes give: `p` is 0.25" in said


def test_labels_of_another_constitution_or_other_pairs_are_refused(copied: Path) -> None:
    pairs_file = copied / "runs" / "bench" / "20-pairs.jsonl"
    write_records(pairs_file, read_records(pairs_file, Pair)[1:])
    assert "not the labels of the pairs in 20-pairs.jsonl" in refused("conflicts", "run.yaml", cwd=copied)
    edit(copied / "constitution.yaml", "weight: 7", "weight: 8")
    write_records(copied / "runs" / "bench" / "40-labels.jsonl", labels_of(copied)[1:])
    said = refused("trace", "run.yaml", "--principle", "p6", cwd=copied)
    assert f"{PAIRS - 1} of {PAIRS - 1} stored labels were made under another constitution" in said


def step(number: int, n: int, pulls: dict[str, float | None], heldout: float | None = None) -> dict[str, object]:
    figures = {i: {"n": n // 2, "pull": x} for i, x in pulls.items()}
    row: dict[str, object] = {"step": number, "n": n, "batch_principles": figures}
    if heldout is not None:
        row["principles"] = {"x": {"n": 5, "margin": heldout, "decided": 4, "accuracy": 0.375, "pull": 0.1}}
    return row


def test_the_pull_is_a_share_of_all_updates_by_hand() -> None:
    """4 pairs x 0.3 + 2 pairs x -0.1 of 4 x 0.4 + 2 x 0.1; in the first step 0.3 of 0.4, in the second -0.1 of 0.1."""
    rows = [step(1, 4, {"x": 0.3, "y": 0.1}), step(2, 2, {"x": -0.1, "y": 0.2}, heldout=0.7), step(3, 4, {"y": 0.5})]
    first = pull_over(rows[:2], "x")
    assert first is not None
    assert (first.first_step, first.last_step, first.updates, first.voted) == (1, 2, 6, 3)
    assert first.share == pytest.approx((4 * 0.3 - 2 * 0.1) / (4 * 0.4 + 2 * 0.1))
    assert [part.share for part in pull_by_period(rows, "x")] == [pytest.approx(0.75), pytest.approx(-1.0), 0.0]
    (measured,) = held_out(rows, "x")
    assert (measured.step, measured.n, measured.margin, measured.decided, measured.accuracy) == (2, 5, 0.7, 4, 0.375)
    assert held_out_sentence(measured) == (
        "held out after step 2: margin +0.700, n = 5; of those that it decides, 1.5 of 4 its way (38 %)"
    )
    assert held_out(rows, "y") == []
    assert pull_over([*rows, step(4, 4, {"x": None, "y": None})], "x") is None, "a loss that does not split"
    assert pull_over([], "x") is None
    silent = pull_over(rows, "z")
    assert silent is not None
    assert (silent.share, silent.voted) == (0.0, 0)
