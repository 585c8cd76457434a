"""`constitution diff --run` foretells; then the constitution is really exchanged, and the labels are counted."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.labelling import write_run
from constitution.files import read_records
from constitution.load import load_constitution
from generate.records import Pair
from judge.aggregate import side
from judge.pivotal import change, standing
from judge.records import Label
from pipeline.run import run_pipeline
from tests.runs import preceptor
from tests.test_run import edit, votes_in

PAIRS, PRINCIPLES = 40, 8


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight principles, judged by rules and labelled."""
    folder = tmp_path_factory.mktemp("exchange")
    write_run(folder, PAIRS)
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    return folder


@pytest.fixture
def folder(labelled: Path, tmp_path: Path) -> Path:
    """A copy of it, with the constitution once more as `new.yaml`."""
    shutil.copytree(labelled, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "constitution.yaml", tmp_path / "new.yaml")
    return tmp_path


def foretold(folder: Path) -> dict[str, Any]:
    done = preceptor("constitution", "diff", "constitution.yaml", "new.yaml", "--run", "run.yaml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def labels(folder: Path) -> dict[str, Label]:
    return {label.pair_key: label for label in read_records(folder / "runs/bench/40-labels.jsonl", Label)}


def exchanged(folder: Path) -> dict[str, int]:
    """What really became of the labels, and how many votes it took."""
    before, old = labels(folder), load_constitution(folder / "constitution.yaml")
    stored = len(votes_in(folder / "runs/bench/30-votes.sqlite"))
    shutil.copy(folder / "new.yaml", folder / "constitution.yaml")
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    after, new = labels(folder), load_constitution(folder / "constitution.yaml")
    counts = dict.fromkeys(("same", "flips", "appears", "vanishes"), 0)
    for key in before:
        counts[change(standing(before[key], old), standing(after[key], new))] += 1
    pairs = {pair.key: pair for pair in read_records(folder / "runs/bench/20-pairs.jsonl", Pair)}
    chosen = [
        {pairs[k].prompt.key: (k, side(x.p)) for k, x in which.items() if x.p is not None} for which in (before, after)
    ]
    counts["trained alike"] = sum(chosen[0].get(prompt) == chosen[1].get(prompt) for prompt in chosen[0] | chosen[1])
    return counts | {"asked": len(votes_in(folder / "runs/bench/30-votes.sqlite")) - stored}


EXACT = {
    "re-weighted": ("weight: 6", "weight: 60"),
    "renamed and re-weighted": ("id: p5, text: Principle 5., weight: 6", "id: five, text: Principle 5., weight: 40"),
    "removed": ("  - {id: p6, text: Principle 6., weight: 7", "  # - {id: p6, text: Principle 6., weight: 7"),
    "another rule": ("principles:", "aggregation: {rule: majority, abstain_band: 0.2}\nprinciples:"),
    "narrowed": ("id: p7,", "id: p7, scope: [none],"),
}


@pytest.mark.parametrize(("old", "new"), EXACT.values(), ids=EXACT)
def test_what_needs_no_vote_is_foretold_exactly(folder: Path, old: str, new: str) -> None:
    edit(folder / "new.yaml", old, new)
    said = foretold(folder)
    found = said["labels"]["changes"]
    real = exchanged(folder)
    assert {name: found[name] for name in ("same", "flips", "appears", "vanishes")} == {
        name: real[name] for name in ("same", "flips", "appears", "vanishes")
    }
    assert found["pairs"] == PAIRS
    assert found["unknown"]["pairs"] == 0
    assert said["labels"]["selection"]["same"] == real["trained alike"]
    assert said["votes"]["to_ask"] == []
    assert real["asked"] == 0


def test_the_exact_cases_are_not_all_without_effect(folder: Path) -> None:
    edit(folder / "new.yaml", *EXACT["re-weighted"])
    assert foretold(folder)["labels"]["changes"]["flips"] > 0


@pytest.mark.parametrize(
    ("old", "new", "invalid"),
    [
        ("text: Principle 0., weight: 1, check: {type: words, max: 30}", "text: Longer., weight: 9, check: {type: words, max: 60}", {"p0": PAIRS}),
        ("  - {id: p1,", "  - {id: extra, text: Extra., weight: 9, check: {type: repetition, n: 1}}\n  - {id: p1,", {}),
    ],
    ids=["reworded", "added"],
)  # fmt: skip
def test_what_needs_votes_is_bounded_and_its_cost_is_exact(
    folder: Path, old: str, new: str, invalid: dict[str, int]
) -> None:
    edit(folder / "new.yaml", old, new)
    said = foretold(folder)
    bound, real = said["labels"]["changes"]["unknown"], exchanged(folder)
    assert said["votes"]["stored"] == PAIRS * PRINCIPLES
    assert said["votes"]["invalid"] == invalid
    assert sum(cost["calls"] for cost in said["votes"]["to_ask"]) == real["asked"] == PAIRS
    assert bound["pairs"] == PAIRS
    assert bound["least_flips"] <= real["flips"] <= bound["most_flips"] < PAIRS
    assert real["appears"] <= bound["most_appear"]
    assert real["vanishes"] <= bound["most_vanish"]
    assert said["labels"]["selection"] is None
    assert list(said["labels"]["changes"]["alone"]) == ["p0" if invalid else "extra"]


def test_votes_that_the_store_has_already_make_it_exact(folder: Path) -> None:
    """Judged under the new text once, then back: the change is known without asking."""
    edit(folder / "new.yaml", "Principle 3.", "Principle three.")
    shutil.copy(folder / "constitution.yaml", folder / "old.yaml")
    exchanged(folder)
    shutil.copy(folder / "old.yaml", folder / "constitution.yaml")
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    said = foretold(folder)
    assert (said["votes"]["to_ask"], said["labels"]["changes"]["unknown"]["pairs"]) == ([], 0)
    assert said["labels"]["changes"]["same"] == PAIRS


def test_in_words_and_nothing_is_written(folder: Path) -> None:
    edit(folder / "new.yaml", "Principle 0.", "Principle zero.")
    before = {path: path.read_bytes() for path in (folder / "runs").rglob("*") if path.is_file()}
    done = preceptor("constitution", "diff", "constitution.yaml", "new.yaml", "--run", "run.yaml", cwd=folder)
    lines = done.stdout.splitlines()
    assert lines[0] == "constitution.yaml -> new.yaml"
    assert lines[1] == "  reworded p0: text"
    assert lines[4:6] == [
        f"votes (n = {PAIRS * PRINCIPLES} stored): {PAIRS} of them are of no use any more (p0 {PAIRS})",
        f"  {PAIRS} to ask (p0 {PAIRS} by `rules`)",
    ]
    assert lines[6].startswith(f"labels (n = {PAIRS} pairs, ")
    assert lines[8].startswith(f"  not known until judged: {PAIRS} pairs, of which 0 to ")
    assert {path: path.read_bytes() for path in before} == before


def test_labels_of_another_constitution_are_not_compared(folder: Path) -> None:
    edit(folder / "constitution.yaml", "weight: 6", "weight: 5")
    done = preceptor("constitution", "diff", "constitution.yaml", "new.yaml", "--run", "run.yaml", cwd=folder)
    assert done.returncode == 2
    assert "40-labels.jsonl is not what" in done.stderr
    assert "run `preceptor judge` and `preceptor label` with that constitution in the run file first" in done.stderr
    shutil.rmtree(folder / "runs")
    done = preceptor("constitution", "diff", "constitution.yaml", "new.yaml", "--run", "run.yaml", cwd=folder)
    assert done.returncode == 2
    assert "20-pairs.jsonl is not there" in done.stderr
