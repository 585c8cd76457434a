"""config.resolved.json says what the files in the folder were made with, whatever the flags of later commands were."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from generate.engine import ModelRef
from pipeline.config import RunConfig
from pipeline.load import load_run
from pipeline.run import STAGES, run_pipeline
from pipeline.used import differences, overlaid, settings_of
from tests.runs import command, preceptor, write_run
from tests.test_run import edit, killed_when


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trace; tests copy it."""
    folder = tmp_path_factory.mktemp("finished")
    edit(write_run(folder, tiny_model.path), "train:\n", "trace: {answers: 1}\ntrain:\n")
    run_pipeline(None, folder / "run.yaml", {}, [], folder / "runs")
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    subprocess.run(["cp", "-a", f"{finished}/.", str(tmp_path)], check=True)
    return tmp_path


def go(folder: Path, stages: tuple[str, ...] | None, settings: tuple[str, ...] = (), **flags: object) -> None:
    run_pipeline(stages, folder / "run.yaml", flags, settings, folder / "runs")


def noted(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs/tiny/config.resolved.json").read_text(encoding="utf-8"))
    return found


def test_flags_of_a_command_that_recomputes_nothing_are_no_settings_of_the_run(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = noted(copied)
    go(copied, ("report",), ("train.beta=0.9", "generate.prompts_per_batch=2"), seed=9)
    said = capsys.readouterr().out
    assert "Nothing was recomputed" in said
    assert "At least in part made with other values of seed, generate.prompts_per_batch, train.beta: " in said
    assert noted(copied) == before
    assert (before["config"]["seed"], before["differing"]) == (3, {})


def test_a_whole_run_says_where_its_report_is_then_too(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(copied, None, ("generate.prompts_per_batch=2",))
    said = capsys.readouterr().out
    assert "At least in part made with other values of generate.prompts_per_batch: " in said
    assert f"report: {copied}/runs/tiny/90-report.html" in said


def test_settings_that_no_stage_has_used_are_as_they_are_said(tiny_model: ModelRef, tmp_path: Path) -> None:
    write_run(tmp_path, tiny_model.path)
    go(tmp_path, ("generate",), ("train.beta=0.9",))
    go(tmp_path, ("generate",), ("train.beta=0.8", "generate.prompts_per_batch=2"))
    found = noted(tmp_path)["config"]
    assert (found["train"]["beta"], found["generate"]["prompts_per_batch"]) == (0.8, 4)


def test_a_stage_that_other_settings_made_is_named_and_compare_says_so(copied: Path) -> None:
    shutil.copytree(copied / "runs/tiny", copied / "runs/as-it-was")
    go(copied, ("train",), seed=9)
    assert noted(copied)["differing"] == {"audit": {"seed": 9}, "train": {"seed": 9}}, "training audits first"
    assert noted(copied)["config"]["seed"] == 3, "its answers, labels and behaviour are of this seed"
    said = preceptor("compare", "runs/as-it-was", "runs/tiny", cwd=copied).stdout
    assert "its stage `train` was made with other settings than the stages after it: seed 9" in said


def test_a_training_that_was_killed_leaves_the_settings_of_the_policy_that_is_there(copied: Path) -> None:
    run = copied / "runs" / "tiny"
    before = noted(copied)
    (run / "metrics.jsonl").unlink()
    code = killed_when(
        lambda: (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size > 0,
        command("run", "run.yaml", "--set", "train.beta=0.9", "--set", "train.epochs=40"),
        copied,
        signal.SIGKILL,
    )
    assert code == -signal.SIGKILL
    assert noted(copied) == before
    go(copied, None, ("train.beta=0.8", "trace=null"))
    assert noted(copied)["config"]["train"]["beta"] == 0.8
    assert noted(copied)["differing"] == {"trace": {"trace": before["config"]["trace"]}}


def test_a_dry_run_notes_nothing(copied: Path) -> None:
    before = noted(copied)
    run_pipeline(None, copied / "run.yaml", {}, ["train.beta=0.9"], copied / "runs", dry_run=True)
    assert noted(copied) == before


def test_the_report_is_made_again_when_what_it_shows_of_the_settings_changes(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied / "runs" / "tiny"
    page = (run / "90-report.html").read_text(encoding="utf-8")
    assert 'id="second-opinion"' in page
    assert (run / "trace.csv").exists()
    go(copied, None)
    assert "report: nothing to do" in capsys.readouterr().out
    (run / "frontier.csv").write_text("of an earlier report\n")
    go(copied, None, ("second_opinion=null", "trace=null"))
    assert "report: changed: settings" in capsys.readouterr().out
    page = (run / "90-report.html").read_text(encoding="utf-8")
    assert 'id="second-opinion"' not in page
    assert not (run / "trace.csv").exists()
    assert not (run / "frontier.csv").exists()
    shown = json.loads((run / "90-report.json").read_text(encoding="utf-8"))
    assert shown["config"] == noted(copied)
    assert (shown["config"]["config"]["trace"], shown["config"]["config"]["second_opinion"]) == (None, None)


def test_every_setting_is_used_by_some_stage(finished: Path) -> None:
    config = load_run(finished / "run.yaml", {})
    used = {name for stage in STAGES.values() for name in stage.uses(config)}
    assert RunConfig.model_fields.keys() - used == {"name"}


def test_of_judges_and_engines_only_the_entries_in_use(finished: Path) -> None:
    config = load_run(finished / "run.yaml", {})
    rules = {"kind": "rules", "confidence": 4.0, "calibration": None}
    assert settings_of(config, "seed", judges=["rules"]) == {"seed": 3, "judges": {"rules": rules}}
    assert list(settings_of(config, judges=["reader"])) == ["judges", "engines"]
    other = {"seed": 4, "judges": {"rules": {**rules, "confidence": 2.0}, "idle": {"kind": "rules"}}}
    laid = overlaid(other, settings_of(config, "seed", judges=["rules"]))
    assert laid == {"seed": 3, "judges": {"rules": rules, "idle": {"kind": "rules"}}}
    assert differences(other, laid) == {"seed": 4, "judges.rules.confidence": 2.0}
