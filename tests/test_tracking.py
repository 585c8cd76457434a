"""`--track`: what real trackers were sent, read back with their own readers; steps once, keys as in metrics.jsonl."""

from __future__ import annotations

import json
import signal
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generate.engine import ModelRef
from pipeline.run import run_pipeline
from pipeline.tracking import flat
from tests.runs import command, environment, preceptor, write_run
from tests.test_run import killed_when

KEY = "c0ffee" * 6 + "dead"
Values = dict[int, dict[str, float]]


@pytest.fixture(scope="module")
def labelled(tiny_model: ModelRef, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is ready to be trained."""
    folder = tmp_path_factory.mktemp("labelled")
    run_file = write_run(folder, tiny_model.path)
    for stage in ("generate", "judge", "label"):
        run_pipeline((stage,), run_file, {}, [], folder / "runs")
    return folder


@pytest.fixture(scope="module")
def trained(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, trained without a tracker."""
    folder = copy_of(labelled, tmp_path_factory.mktemp("trained"))
    run_pipeline(("train",), folder / "run.yaml", {}, [], folder / "runs")
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", f"{folder}/.", str(to)], check=True)
    return to


def expected(folder: Path, first: int = 1) -> Values:
    rows = [json.loads(line) for line in (folder / "runs/tiny/metrics.jsonl").read_text().splitlines()]
    return {row["step"]: flat(row) for row in rows if row["step"] >= first}


def same(found: Values, wanted: Values) -> None:
    assert found.keys() == wanted.keys()
    for step, values in wanted.items():
        assert found[step] == pytest.approx(values, rel=1e-6)


def in_tensorboard(folder: Path) -> Values:
    """By TensorBoard's own reader; a step that is there twice fails."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (training,) = (folder / "runs/tiny/tensorboard").iterdir()
    read = EventAccumulator(str(training), size_guidance={"scalars": 0}).Reload()
    found: Values = {}
    for tag in read.Tags()["scalars"]:
        for event in read.Scalars(tag):
            assert tag not in found.setdefault(event.step, {})
            found[event.step][tag] = event.value
    return found


def in_wandb(folder: Path) -> Values:
    """From the offline runs' files, by wandb's own types."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: Values = {}
    for file in sorted((folder / "runs/tiny/wandb").glob("offline-run-*/*.wandb")):
        for body in records_of(file.read_bytes()):
            record = Record()
            record.ParseFromString(body)
            if record.WhichOneof("record_type") != "history":
                continue
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            assert items["_step"] not in found, "a step is sent once"
            found[items["_step"]] = {key: value for key, value in items.items() if not key.startswith("_")}
    return found


def records_of(data: bytes) -> list[bytes]:
    """LevelDB's log format: after seven bytes blocks of 32 KiB, a record in one piece or several."""
    found, at, piece = [], 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        piece = piece + data[at + 7 : at + 7 + length] if kind in (3, 4) else data[at + 7 : at + 7 + length]
        if kind in (1, 4):
            found.append(piece)
        at += 7 + length
    return found


def in_trackio(folder: Path) -> Values:
    """From its database."""
    (file,) = (folder / "trackio").glob("*.db")
    with sqlite3.connect(file) as db:
        rows = db.execute("SELECT step, metrics FROM metrics").fetchall()
    assert len({step for step, _ in rows}) == len(rows), "a step is sent once"
    return {step: json.loads(metrics) for step, metrics in rows}


def train(folder: Path, tracker: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environ = {**environment(), "WANDB_MODE": "offline", "WANDB_API_KEY": KEY, "TRACKIO_DIR": str(folder / "trackio")}
    arguments = command("train", "run.yaml", "--track", tracker)
    return subprocess.run(
        arguments, cwd=folder, env={**environ, **extra}, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_killed_training_goes_on_in_tensorboard_without_a_step_twice(labelled: Path, tmp_path: Path) -> None:
    folder = copy_of(labelled, tmp_path)
    metrics = folder / "runs/tiny/metrics.jsonl"
    lines = lambda: len(metrics.read_text().splitlines()) if metrics.exists() else 0  # noqa: E731
    killed_when(lambda: lines() >= 5, command("train", "run.yaml", "--track", "tensorboard"), folder, signal.SIGKILL)
    before = in_tensorboard(folder)
    assert len(before) >= 4
    result = train(folder, "tensorboard")
    assert result.returncode == 0, result.stderr
    same(in_tensorboard(folder), expected(folder))
    assert f"{len(expected(folder)) - len(before)} steps sent to tensorboard" in result.stdout
    assert "principles/short/margin" in in_tensorboard(folder)[len(expected(folder))]


@pytest.mark.parametrize(("tracker", "read"), [("wandb", in_wandb), ("trackio", in_trackio)])
def test_a_trained_run_is_sent_afterwards_and_each_step_once(
    trained: Path, tmp_path: Path, tracker: str, read: Any
) -> None:
    folder = copy_of(trained, tmp_path)
    metrics = folder / "runs/tiny/metrics.jsonl"
    whole, some = metrics.read_text(), "".join(metrics.read_text().splitlines(keepends=True)[:4])
    metrics.write_text(some)
    first = train(folder, tracker)
    assert first.returncode == 0, first.stderr
    same(read(folder), expected(folder))
    metrics.write_text(whole)
    second = train(folder, tracker)
    assert second.returncode == 0, second.stderr
    same(read(folder), expected(folder))
    assert "tracked: 4 steps sent" in first.stdout
    assert f"tracked: {len(expected(folder, 5))} steps sent" in second.stdout
    assert "tracked" not in train(folder, tracker).stdout, "nothing is left to send"
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert holding == [], "the key is in no file"


def test_another_training_is_another_run_of_the_tracker(trained: Path, tmp_path: Path) -> None:
    folder = copy_of(trained, tmp_path)
    assert train(folder, "tensorboard").returncode == 0
    text = (folder / "run.yaml").read_text()
    (folder / "run.yaml").write_text(text.replace("epochs: 4", "epochs: 1"))
    assert train(folder, "tensorboard").returncode == 0
    assert len(list((folder / "runs/tiny/tensorboard").iterdir())) == 2


def test_a_tracker_that_is_not_installed_names_the_extra_before_anything_is_trained(
    labelled: Path, tmp_path: Path
) -> None:
    folder = copy_of(labelled, tmp_path)
    code = (
        "import sys; sys.modules['wandb'] = None; sys.argv = ['preceptor', 'train', 'run.yaml', '--track', 'wandb']; "
        "from pipeline.cli import entry; entry()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "--track: `wandb` is not installed" in result.stderr
    assert "pip install 'preceptor[track]'" in result.stderr
    assert not (folder / "runs/tiny/50-policy/model.safetensors").exists()


def test_an_unknown_tracker_or_a_stage_that_trains_nothing_is_one_sentence(labelled: Path) -> None:
    unknown = preceptor("train", "run.yaml", "--track", "paper", cwd=labelled)
    assert unknown.returncode == 2
    assert "`paper`: expected one of trackio, wandb, tensorboard" in unknown.stderr
    nothing = preceptor("judge", "run.yaml", "--track", "wandb", cwd=labelled)
    assert "`preceptor judge` trains nothing: give it to run or train" in nothing.stderr


def test_only_numbers_are_sent_under_the_keys_of_the_file() -> None:
    row = {"step": 3, "loss": 0.5, "why": "x", "none": None, "yes": True, "nan": float("nan"), "a": {"b": {"n": 2}}}
    assert flat(row) == {"loss": 0.5, "a/b/n": 2}
