"""What a dry run says of time: by what was measured in this folder, worked out by hand, or that nothing was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from generate.engine import ModelRef
from judge.pace import Pace
from pipeline.console import Console
from pipeline.context import Run
from pipeline.folder import RunFolder, Stamp
from pipeline.load import load_run
from pipeline.paces import keep_paces
from pipeline.run import run_pipeline
from tests.runs import write_run

NOTHING = "  time: no estimate: nothing measured yet\n"


def dry(folder: Path, *stages: str) -> None:
    run_pipeline(stages, folder / "run.yaml", {}, (), folder / "runs", True)


def stamp(folder: Path, stage: str, seconds: float, model: str) -> None:
    """As if the stage had been done with this model in this time."""
    when = "2026-01-01T00:00:00+00:00"
    inputs = {"model": model}
    made = Stamp(stage=stage, inputs=inputs, seconds=seconds, peak_mib=1, started=when, finished=when)
    RunFolder(folder / "runs" / "tiny").write_stamp(made)


@pytest.fixture
def labelled(tiny_model: ModelRef, tmp_path: Path) -> Path:
    write_run(tmp_path, tiny_model.path)
    for stage in ("generate", "judge", "label"):
        run_pipeline((stage,), tmp_path / "run.yaml", {}, (), tmp_path / "runs")
    return tmp_path


def test_a_new_folder_has_no_estimates(
    tiny_model: ModelRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, tiny_model.path)
    dry(tmp_path, "second-opinion", "train", "behaviour")
    assert capsys.readouterr().out.count(NOTHING) == 3


def test_estimates_are_by_the_last_execution(
    labelled: Path, tiny_model: ModelRef, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(labelled / "runs" / "tiny")
    capsys.readouterr()
    dry(labelled, "train", "behaviour")
    said = capsys.readouterr().out
    assert said.count(NOTHING) == 2
    steps = int(said.split("about ")[1].split(" step")[0])
    folder.training.write_text('{"steps": 10}', encoding="utf-8")
    folder.comparisons.write_text("{}\n" * 5, encoding="utf-8")
    stamp(labelled, "train", 60.0, tiny_model.revision)
    stamp(labelled, "behaviour", 100.0, tiny_model.revision)
    dry(labelled, "train", "behaviour")
    said = capsys.readouterr().out
    minutes, seconds = divmod(6 * steps, 60)
    assert f"time: about {minutes}:{seconds:02d}: the last time took 1:00 for 10 steps (" in said
    assert "time: about 3:20: the last time took 1:40 for 5 comparisons (" in said, "5 prompts, 2 answers"
    folder.comparisons.write_text("{}\n", encoding="utf-8")
    dry(labelled, "behaviour")
    assert "1:40 for 1 comparison (" in capsys.readouterr().out
    stamp(labelled, "train", 60.0, "another model")
    folder.comparisons.unlink()
    dry(labelled, "train", "behaviour")
    assert capsys.readouterr().out.count(NOTHING) == 2
    folder.training.write_text("{", encoding="utf-8")
    stamp(labelled, "train", 60.0, tiny_model.revision)
    dry(labelled, "train")
    assert NOTHING in capsys.readouterr().out


def test_a_second_opinion_is_foretold_by_its_judges_pace(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    dry(labelled, "second-opinion")
    assert "time: not measured yet for this judge" in capsys.readouterr().out
    config = load_run(labelled / "run.yaml", {})
    run = Run(config, labelled, RunFolder(labelled / "runs" / "tiny"), Console())
    pace = Pace(votes=4, tokens_in=1, tokens_out=1, seconds=40.0, loading=False)
    keep_paces(run, {run.judge("reader").digest: pace})
    dry(labelled, "second-opinion")
    said = capsys.readouterr().out
    asked = int(said.split(" to ask")[0].rsplit(" ", 1)[1])
    minutes, seconds = divmod(10 * asked, 60)
    assert f"time: about {minutes}:{seconds:02d} at 10 s a vote, measured on 4 votes" in said


def test_every_stage_that_was_done_before_has_its_time_and_all_have_a_sum(
    labelled: Path, tiny_model: ModelRef, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(labelled / "runs" / "tiny")
    folder.training.write_text('{"steps": 10}', encoding="utf-8")
    stamp(labelled, "generate", 24.0, tiny_model.revision)
    stamp(labelled, "trace", 92.0, tiny_model.revision)
    stamp(labelled, "train", 60.0, "another model")
    capsys.readouterr()
    dry(labelled, "generate", "train", "trace")
    said = capsys.readouterr().out
    assert "0 prompts to sample: the answers to all 12 prompts are stored" in said
    assert "trace: would run" in said
    assert "time: about 1:32, as the last time" in said
    assert said.endswith(
        "time in all: about 1:32 (generate 0:00, trace 1:32); without train, of which there is no estimate\n"
    )
    folder.samples.unlink()
    dry(labelled, "generate", "trace")
    said = capsys.readouterr().out
    assert "time: about 0:24: the last time took 0:24 for 12 prompts (answers that were stored already" in said
    assert said.endswith("time in all: about 1:56 (generate 0:24, trace 1:32)\n")


def test_the_sum_of_a_new_folder_says_that_nothing_is_known(
    tiny_model: ModelRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, tiny_model.path)
    dry(tmp_path, "generate", "judge")
    said = capsys.readouterr().out
    assert said.endswith("time in all: no estimate yet: generate, judge were not timed here before\n")


def test_whose_votes_are_wanted_is_said(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    dry(labelled, "judge", "second-opinion")
    said = capsys.readouterr().out
    assert re.search(r"judge `reader`: \d+ votes wanted, 0 stored, \d+ to ask", said)


def test_each_principle_of_a_judge_that_reads_is_listed_once(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_pipeline(("second-opinion",), labelled / "run.yaml", {}, (), labelled / "runs")
    capsys.readouterr()
    run_pipeline(("judge",), labelled / "run.yaml", {"judge": "reader"}, (), labelled / "runs", True)
    said = capsys.readouterr().out
    for principle in ("short", "few-vowels", "no-repetition"):
        assert len(re.findall(rf"^    {principle}: .* calls, ", said, re.M)) == 1
        assert said.count(f"    {principle}: ") == 1
