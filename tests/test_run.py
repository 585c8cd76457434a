"""The whole thread on a tiny model: what a second run, an edit, a dry run and a crash cost."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.files import read_records
from generate.engine import ModelRef
from judge.records import Label
from pipeline.run import STAGES, run_pipeline
from tests.runs import command, environment, preceptor, write_run


def go(
    run_file: Path,
    runs: Path,
    *,
    stages: tuple[str, ...] | None = None,
    dry: bool = False,
    settings: tuple[str, ...] = (),
) -> None:
    run_pipeline(stages, run_file, {}, settings, runs, dry)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def votes_in(store: Path) -> dict[str, str]:
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT key, body FROM records"))


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that went through undisturbed; tests copy what they change."""
    folder = tmp_path_factory.mktemp("finished")
    write_run(folder, tiny_model.path)
    # A process of its own, as the ones that are killed and go on: this one's tests may have changed torch's threads.
    result = preceptor("run", "run.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    subprocess.run(["cp", "-a", f"{finished}/.", str(tmp_path)], check=True)
    return tmp_path


def test_every_stage_leaves_its_artefacts(finished: Path) -> None:
    run = finished / "runs" / "tiny"
    for name in [
        "config.resolved.json",
        "10-prompts.jsonl",
        "20-samples.sqlite",
        "20-pairs.jsonl",
        "30-votes.sqlite",
        "30-second-opinion.json",
        "40-labels.jsonl",
        "50-policy/model.safetensors",
        "50-policy/tokenizer.json",
        "50-training.json",
        "metrics.jsonl",
        "60-behaviour.json",
        "60-comparisons.jsonl",
        "90-report.html",
        "90-report.json",
    ]:
        assert (run / name).stat().st_size > 0, name
    resolved = json.loads((run / "config.resolved.json").read_text(encoding="utf-8"))
    assert resolved["config"]["train"]["loss"] == "dpo"
    assert len(resolved["model"]["revision"]) >= 32


def test_the_report_says_what_every_stage_took(finished: Path) -> None:
    run = finished / "runs" / "tiny"
    provenance = json.loads((run / "90-report.json").read_text(encoding="utf-8"))["provenance"]
    stages = {stage["stage"]: stage for stage in provenance["stages"]}
    assert list(stages) == [name for name in STAGES if name not in ("trace", "report")]
    assert provenance["seconds"] == pytest.approx(sum(stage["seconds"] for stage in stages.values()))
    with sqlite3.connect(f"file:{run}/20-samples.sqlite?mode=ro", uri=True) as db:
        sets = [json.loads(body)["responses"] for (body,) in db.execute("SELECT body FROM records")]
    sampled = [answer["tokens"] for answers in sets for answer in answers]
    made, measured = stages["generate"], stages["behaviour"]
    assert (made["counted"], measured["counted"]) == (12 * 3, 5 * 2 * 2)
    assert made["tokens_out"] + measured["tokens_out"] == sum(sampled)
    votes = [json.loads(body) for body in votes_in(run / "30-votes.sqlite").values()]
    model = [vote for vote in votes if vote["tokens_in"]]
    second = stages["second-opinion"]
    assert (second["counted"], second["tokens_in"]) == (len(model), sum(vote["tokens_in"] for vote in model))
    assert (stages["judge"]["tokens_in"], stages["label"]["tokens_in"]) == (0, None)
    assert stages["judge"]["counted"] == provenance["votes"]


def test_a_second_run_recomputes_nothing_and_says_so(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = copied / "runs" / "tiny"
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))}
    go(copied / "run.yaml", copied / "runs")
    said = capsys.readouterr().out
    assert said.count("nothing to do") == len(STAGES) - 1, "all but `trace`, which this run does not ask for"
    assert "Nothing was recomputed" in said
    after = {p: p.read_bytes() for p in before}
    assert [p.name for p in before if after[p] != before[p] and p.name != ".lock"] == []


def test_editing_one_principle_asks_its_votes_alone(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = copied / "runs" / "tiny" / "30-votes.sqlite"
    before = votes_in(store)
    edit(copied / "constitution.yaml", "The answer has few vowels.", "The answer has hardly any vowels.")
    go(copied / "run.yaml", copied / "runs", stages=("generate", "judge", "label"))
    said = capsys.readouterr().out
    pairs = (copied / "runs" / "tiny" / "20-pairs.jsonl").read_text(encoding="utf-8").count("\n")
    assert "generate: nothing to do" in said
    assert "judge: changed: principle `few-vowels`" in said
    assert f"few-vowels: {pairs} of {pairs} to ask" in said
    fresh = votes_in(store).keys() - before.keys()
    assert len(fresh) == pairs
    assert before.items() <= votes_in(store).items()


def test_reweighting_asks_no_vote_and_changes_labels(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = copied / "runs" / "tiny" / "40-labels.jsonl"
    before = read_records(labels, Label)
    edit(copied / "constitution.yaml", "weight: 2", "weight: 5")
    go(copied / "run.yaml", copied / "runs", stages=("judge", "label"))
    said = capsys.readouterr().out
    assert "judge: nothing to do" in said
    assert "label: changed: weights\n" in said
    after = read_records(labels, Label)
    assert [label.pair_key for label in before] == [label.pair_key for label in after]
    assert before != after


def test_swapping_the_judge_is_one_line_and_samples_nothing(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(copied / "run.yaml", "judge: rules\n", "judge: reader\n")
    go(copied / "run.yaml", copied / "runs", stages=("generate", "judge"))
    said = capsys.readouterr().out
    assert "generate: nothing to do" in said
    assert "judge: changed: judge" in said


def test_a_dry_run_says_what_and_leaves_nothing(
    tiny_model: ModelRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    go(run_file, tmp_path / "runs", dry=True)
    said = capsys.readouterr().out
    assert "12 prompts to sample, 3 answers each: at most 432 tokens" in said
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_after_an_edit_counts_the_votes(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(copied / "constitution.yaml", "The answer is short.", "The answer is brief.")
    go(copied / "run.yaml", copied / "runs", dry=True)
    said = capsys.readouterr().out
    assert "judge: would run (changed: principle `short`)" in said
    assert "because of: principle `short`" in said
    assert "train: would run" in said


def test_a_lost_artefact_is_made_again(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = copied / "runs" / "tiny" / "40-labels.jsonl"
    content = labels.read_bytes()
    labels.unlink()
    go(copied / "run.yaml", copied / "runs")
    said = capsys.readouterr().out
    assert "label: missing: 40-labels.jsonl" in said
    assert "train: nothing to do" in said
    assert labels.read_bytes() == content


def test_a_lost_table_of_the_report_is_made_again(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = copied / "runs" / "tiny" / "decided.csv"
    content = table.read_bytes()
    table.unlink()
    go(copied / "run.yaml", copied / "runs")
    said = capsys.readouterr().out
    assert "report: missing: decided.csv" in said
    assert "behaviour: nothing to do" in said
    assert table.read_bytes() == content


def killed_when(
    condition: Callable[[], bool], arguments: list[str], cwd: Path, how: signal.Signals, times: int = 1
) -> int:
    """Start the command, send it `how` as soon as `condition` holds, return its exit code; `stderr.txt` has what it
    complained of."""
    with (cwd / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen(
            arguments, cwd=cwd, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )
    deadline = time.monotonic() + 200
    while process.poll() is None and not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.002)
    for _ in range(times):
        os.killpg(process.pid, how) if process.poll() is None else None
        time.sleep(0.02)
    return process.wait(timeout=60)


def rows_in(store: Path) -> int:
    try:
        return len(votes_in(store))
    except sqlite3.Error:
        return 0


def results_missing(votes: dict[str, str], committed: dict[str, str]) -> int:
    """How many of the reader's votes were not there when the process was killed."""
    kept = committed.keys()
    requests = {key: json.loads(body)["request"] for key, body in votes.items()}
    reader = next(request["judge"] for request in requests.values() if request["order"] == "ba")  # rules ask `ab` only
    return sum(request["judge"] == reader and key not in kept for key, request in requests.items())


def test_kill_9_while_judging_loses_and_repeats_nothing(finished: Path, tmp_path: Path) -> None:
    for name in ("killed", "undisturbed"):
        subprocess.run(["cp", "-a", f"{finished}/.", str(tmp_path / name)], check=True)
        edit(tmp_path / name / "run.yaml", "judge: rules\n", "judge: reader\n")
    assert preceptor("judge", "run.yaml", cwd=tmp_path / "undisturbed").returncode == 0
    store = tmp_path / "killed" / "runs" / "tiny" / "30-votes.sqlite"
    start = rows_in(store)
    code = killed_when(
        lambda: rows_in(store) >= start + 30, command("judge", "run.yaml"), tmp_path / "killed", signal.SIGKILL
    )
    assert code == -signal.SIGKILL
    committed = votes_in(store)
    result = preceptor("judge", "run.yaml", cwd=tmp_path / "killed")
    assert result.returncode == 0, result.stderr
    votes = votes_in(store)
    assert committed.items() <= votes.items()
    assert votes == votes_in(tmp_path / "undisturbed" / "runs" / "tiny" / "30-votes.sqlite")
    asked = re.search(r"judge `reader`: (\d+) votes asked", result.stdout)
    assert asked
    assert int(asked[1]) == results_missing(votes, committed)


def test_kill_9_while_training_ends_in_the_same_weights(finished: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", f"{finished}/.", str(tmp_path)], check=True)
    run = tmp_path / "runs" / "tiny"
    wanted, metrics = (run / "50-policy" / "model.safetensors").read_bytes(), (run / "metrics.jsonl").read_bytes()
    subprocess.run(
        ["rm", "-rf", str(run / "50-policy"), str(run / ".stamps" / "train.json"), str(run / "metrics.jsonl")],
        check=True,
    )
    lines = lambda: len((run / "metrics.jsonl").read_text().splitlines()) if (run / "metrics.jsonl").exists() else 0  # noqa: E731
    killed_when(lambda: lines() >= 5, command("train", "run.yaml"), tmp_path, signal.SIGKILL)
    result = preceptor("train", "run.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (run / "50-policy" / "model.safetensors").read_bytes() == wanted
    assert (run / "metrics.jsonl").read_bytes() == metrics


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_ctrl_c_keeps_what_was_done(finished: Path, tmp_path: Path, presses: int) -> None:
    subprocess.run(["cp", "-a", f"{finished}/.", str(tmp_path)], check=True)
    edit(tmp_path / "run.yaml", "judge: rules\n", "judge: reader\n")
    store = tmp_path / "runs" / "tiny" / "30-votes.sqlite"
    start = rows_in(store)
    judging = command("judge", "run.yaml")
    code = killed_when(lambda: rows_in(store) >= start + 12, judging, tmp_path, signal.SIGINT, presses)
    said = (tmp_path / "stderr.txt").read_text(encoding="utf-8")
    assert code == 130, said
    assert said.endswith("the same command goes on from there.\n")
    assert rows_in(store) >= start + 12
    assert preceptor("judge", "run.yaml", cwd=tmp_path).returncode == 0


def test_a_second_process_on_the_same_run_is_refused(copied: Path) -> None:
    from pipeline.folder import RunFolder

    with RunFolder(copied / "runs" / "tiny").locked():
        result = preceptor("run", "run.yaml", cwd=copied)
    assert result.returncode == 2
    assert f"process {os.getpid()} is working in this run folder" in result.stderr


def test_ipo_trains_through_the_same_file(copied: Path) -> None:
    edit(copied / "run.yaml", "train:\n", "train:\n  loss: ipo\n  tau: 0.2\n")
    go(copied / "run.yaml", copied / "runs", stages=("train",))
    first = json.loads((copied / "runs" / "tiny" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["loss"] > 0


def test_a_finished_run_is_followed_from_each_principle_to_what_moved(finished: Path, tmp_path: Path) -> None:
    """The principles' parts of the updates are of one whole; the behaviour row is the report's."""
    table = json.loads((finished / "runs" / "tiny" / "60-behaviour.json").read_text())["principles"]
    shares, out = list[float](), tmp_path / "trace.json"
    for row in table:
        result = preceptor("trace", "run.yaml", "--principle", row["id"], "--json", out, cwd=finished)
        assert result.returncode == 0, result.stderr
        found = json.loads(out.read_text())
        assert found["behaviour"] == row
        shares.append(found["pull"]["share"])
        assert [point["step"] for point in found["heldout"]] == sorted(point["step"] for point in found["heldout"])
        assert len(found["heldout"]) > 1
        assert f"its part of the updates: {100 * shares[-1]:.1f} %".replace("-", "−") in result.stdout
    assert sum(shares) == pytest.approx(1)
