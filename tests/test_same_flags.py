"""A run that flags made is read by every command with the same flags; without them, the one that lacks is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.labelling import write_run
from generate.engine import ModelRef
from pipeline.run import run_pipeline
from tests import runs
from tests.runs import preceptor
from tests.test_run import edit
from tests.test_trace_command import refused

FLAGS = ("--judge", "strict", "--set", "seed=4")
OTHER = "40-labels.jsonl holds labels by another judge than `rules` is now"
NAMED = "or, if the labels by `strict` are meant, give `--judge strict`"
DIFF = ("constitution", "diff", "constitution.yaml", "new.yaml", "--run", "run.yaml")


def said(*arguments: object, cwd: Path) -> str:
    result = preceptor(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that `--judge strict` labelled, its file still naming `rules`."""
    folder = tmp_path_factory.mktemp("strict")
    write_run(folder, 24)
    with (folder / "run.yaml").open("a", encoding="utf-8") as stream:
        stream.write("judges: {rules: {kind: rules}, strict: {kind: rules, confidence: 2}}\n")
    run_pipeline(("judge", "label"), folder / "run.yaml", {"judge": "strict"}, ["seed=4"], folder / "runs")
    shutil.copy(folder / "constitution.yaml", folder / "new.yaml")
    edit(folder / "new.yaml", "weight: 6", "weight: 60")
    return folder


def test_conflicts_of_another_judges_labels_are_refused_and_the_flag_is_named(strict: Path) -> None:
    wrong = refused("conflicts", "run.yaml", cwd=strict)
    assert OTHER in wrong
    assert NAMED in wrong
    assert "disagree" in said("conflicts", "run.yaml", *FLAGS, cwd=strict)


def test_a_difference_is_told_of_another_judges_run(strict: Path) -> None:
    wrong = refused(*DIFF, cwd=strict)
    assert OTHER in wrong
    assert NAMED in wrong
    found = said(*DIFF, *FLAGS, "--runs", "runs", cwd=strict)
    assert "labels (n = 24 pairs" in found
    assert "preceptor run run.yaml --judge strict --set=seed=4" in found
    assert "first keep a copy, under any name: cp -r runs/bench runs/bench-before" in found


def test_a_constitution_is_checked_against_another_judges_run(strict: Path) -> None:
    said("constitution", "check", "constitution.yaml", "--run", "run.yaml", *FLAGS, cwd=strict)
    wrong = refused("constitution", "check", "constitution.yaml", "--run", "run.yaml", "--set", "sead=4", cwd=strict)
    assert "sead" in wrong


def test_a_trained_run_of_another_judge_is_asked_and_edited(tiny_model: ModelRef, tmp_path: Path) -> None:
    run_file = runs.write_run(tmp_path, tiny_model.path)
    edit(run_file, "  reader:", "  strict: {kind: rules, confidence: 2}\n  reader:")
    edit(run_file, "train:\n", "train:\n  heldout_fraction: 0.4\n")
    for stage in ("generate", "judge", "label", "train"):
        run_pipeline((stage,), run_file, {"judge": "strict"}, ["seed=4"], tmp_path / "runs")
    wrong = refused("whatif", "run.yaml", "--drop", "short", "--set", "seed=4", cwd=tmp_path)
    assert OTHER in wrong
    assert NAMED in wrong
    wrong = refused("ablate", "run.yaml", "--dry-run", "--set", "seed=4", cwd=tmp_path)
    assert NAMED in wrong
    assert "ablate: tiny" in said("ablate", "run.yaml", "--dry-run", *FLAGS, cwd=tmp_path)
    assert "what if: few-vowels" in said("whatif", "run.yaml", "--drop", "short", *FLAGS, cwd=tmp_path)
    assert "trained (" in said("chat", "run.yaml", "--prompt", "What is bread?", *FLAGS, cwd=tmp_path)
