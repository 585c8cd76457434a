"""Training on two processes (gloo, CPU), started by the real torchrun, against the same training on one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from generate.engine import ModelRef
from pipeline.run import run_pipeline
from tests.distributed_child import Case, Plan, run_case
from tests.runs import environment, preceptor, write_run
from tests.training import LORA, make_pairs, save_tiny_model
from train.checkpoint import NAME
from train.settings import TrainSettings
from train.tokens import TokenPair
from train.turns import shares

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.every_core]
# Float32. Two processes differ from one as two packings of the same pairs differ in one: by up to 3e-6 in a loss, 6e-6
# in a norm, 5e-5 in a weight (AdamW divides by gradients that are nearly 0).
LOSS, NORM, WEIGHT = 1e-5, 5e-5, 1e-4
BASE: dict[str, Any] = {
    "lora": LORA,
    "epochs": 2,
    "pairs_per_step": 5,
    "learning_rate": 5e-3,
    "heldout_fraction": 0.2,
    "log_every": 2,
    "checkpoint_every": 2,
    "row_tokens": 100,
    "dtype": "float32",
}
FULL: dict[str, Any] = {"lora": None, "learning_rate": 1e-3}
KTO: dict[str, Any] = FULL | {"loss": "kto", "early_stop": {"patience": 1}, "epochs": 6}
VARIANTS: dict[str, dict[str, Any]] = {
    "adapter, ddp": {},
    "adapter, fsdp": {"parallel": "fsdp"},
    "all weights, ddp": FULL,
    "all weights, fsdp": FULL | {"parallel": "fsdp"},
    "kto, early stop, ddp": KTO,
    "kto, early stop, fsdp": KTO | {"parallel": "fsdp"},
}
CUT = {"one, then two": FULL, "two, then one": FULL, "killed": FULL | {"parallel": "fsdp"}}


class Found(NamedTuple):
    """What a training left."""

    lines: list[dict[str, Any]]
    weights: dict[str, torch.Tensor]


def found(folder: Path) -> Found:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    return Found([json.loads(line) for line in text.splitlines()], load_file(folder / "policy" / "model.safetensors"))


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings.model_validate(BASE | changes)


def torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Two processes, to their end."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        *map(str, arguments),
    ]
    return subprocess.run(
        command, env=environment() | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300, check=False
    )


def launch(plan: Plan, file: Path) -> subprocess.CompletedProcess[str]:
    file.write_text(plan.model_dump_json(exclude_unset=True), encoding="utf-8")
    return torchrun("tests.distributed_child", file)


class Trained(NamedTuple):
    """Where every training is, and what torchrun said of the one that it was to see die."""

    folder: Path
    model: ModelRef
    death: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Every variant, and what was cut, in one launch of torchrun after the one that dies."""
    folder = tmp_path_factory.mktemp("trained")
    model = save_tiny_model(folder / "model")
    cut = Case(folder=folder / "killed", settings=settings(**CUT["killed"]), kill_at=5, kill=(1,))
    death = launch(Plan(model=model, cases=(cut,)), folder / "plan.json")
    assert (cut.folder / "policy" / NAME).exists()
    shutil.copytree(cut.folder, folder / "two, then one")
    first = Case(folder=folder / "one, then two", settings=settings(**FULL), kill_at=7, kill=(0,), how=signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_case(first, model)
    continued = {name: changes for name, changes in CUT.items() if name != "two, then one"}
    cases = [Case(folder=folder / name, settings=settings(**how)) for name, how in (VARIANTS | continued).items()]
    done = launch(Plan(model=model, cases=tuple(cases)), folder / "plan.json")
    assert done.returncode == 0, done.stderr
    run_case(Case(folder=folder / "two, then one", settings=settings(**FULL)), model)
    return Trained(folder, model, death)


@pytest.mark.parametrize("name", [*VARIANTS, *CUT])
def test_two_processes_train_what_one_trains(trained: Trained, tmp_path: Path, name: str) -> None:
    """Losses, norms, held-out figures, the step of the early stop and the saved weights. Steps have five pairs, or
    one, of which one process has none; rows hold about two, so passes differ in number too."""
    how = (VARIANTS | CUT)[name]
    run_case(Case(folder=tmp_path, settings=settings(**how)), trained.model)
    alone, together = found(tmp_path), found(trained.folder / name)
    assert {line["n"] for line in alone.lines} == {1, 5}
    assert [line["step"] for line in together.lines] == [line["step"] for line in alone.lines]
    for mine, theirs in zip(alone.lines, together.lines, strict=True):
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=LOSS)
        assert theirs["grad_norm"] == pytest.approx(mine["grad_norm"], rel=NORM)
        assert theirs.keys() == mine.keys()
        if "heldout_loss" in mine:
            assert theirs["heldout_loss"] == pytest.approx(mine["heldout_loss"], abs=LOSS)
            assert theirs["principles"].keys() == mine["principles"].keys()
    assert together.weights.keys() == alone.weights.keys()
    start = load_file(Path(trained.model.path) / "model.safetensors")
    for key, weight in alone.weights.items():
        torch.testing.assert_close(together.weights[key], weight, rtol=0, atol=WEIGHT)
    moved = max((weight - start[key]).abs().max() for key, weight in alone.weights.items())
    assert moved > 10 * WEIGHT


def test_a_dead_process_ends_the_others(trained: Trained) -> None:
    assert trained.death.returncode == 1
    assert "Signal 9 (SIGKILL)" in trained.death.stderr
    assert not list(trained.folder.rglob(f"{NAME}*"))


def test_only_the_first_process_keeps_files(trained: Trained) -> None:
    names = {path.name for path in (trained.folder / "adapter, fsdp").iterdir()}
    assert names == {"policy", "metrics.jsonl", "references.sqlite"}
    summary = json.loads((trained.folder / "adapter, fsdp" / "policy" / "training.json").read_text(encoding="utf-8"))
    assert summary["processes"] == 2


def test_how_it_is_spread_does_not_change_what_a_run_is() -> None:
    assert settings(parallel="fsdp").meaning() == settings().meaning()


def of_length(lengths: Sequence[int]) -> list[TokenPair]:
    pairs = make_pairs(len(lengths))
    return [TokenPair(pair, [1] * length, [2], [3]) for pair, length in zip(pairs, lengths, strict=True)]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=20), st.integers(1, 5), st.randoms())
def test_shares_are_even_in_tokens(lengths: list[int], count: int, draw: Any) -> None:
    pairs = of_length(lengths)
    dealt = shares(pairs, count)
    keys = [tokens.pair.key for share in dealt for tokens in share]
    assert sorted(keys) == sorted(tokens.pair.key for tokens in pairs)
    tokens = [sum(pair.size for pair in share) for share in dealt]
    assert max(tokens) - min(tokens) <= max(pair.size for pair in pairs)
    draw.shuffle(pairs)
    assert shares(pairs, count) == dealt


@pytest.fixture(scope="module")
def labelled(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run file of a run that is ready to be trained."""
    run_file = write_run(tmp_path_factory.mktemp("labelled"), tiny_model.path)
    for stage in ("generate", "judge", "audit", "label"):
        run_pipeline((stage,), run_file, {}, (), run_file.parent / "runs")
    return run_file


def test_the_command_under_torchrun(labelled: Path, tmp_path: Path) -> None:
    """Says everything once, stamps the stage, trains what one process trains; then there is nothing to do."""
    shutil.copytree(labelled.parent, tmp_path / "alone")
    run_pipeline(("train",), tmp_path / "alone" / "run.yaml", {}, (), tmp_path / "alone" / "runs")
    arguments = ("pipeline.cli", "train", labelled, "--runs", labelled.parent / "runs")
    done = torchrun(*arguments, "--set", "train.parallel=fsdp")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("train: not done yet") == done.stdout.count("2 processes") == 1
    theirs = load_file(labelled.parent / "runs" / "tiny" / "50-policy" / "model.safetensors")
    mine = load_file(tmp_path / "alone" / "runs" / "tiny" / "50-policy" / "model.safetensors")
    assert max((theirs[key] - mine[key]).abs().max() for key in mine) < WEIGHT
    again = torchrun(*arguments)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("train: nothing to do") == 1


@pytest.mark.parametrize("command", ["run", "judge", "audit"])
def test_other_commands_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    monkeypatch.setitem(os.environ, "RANK", "0")
    refused = preceptor(command, "run.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == (
        "torchrun started 2 processes, but only `preceptor train` is shared among them: "
        f"start `preceptor {command}` without torchrun\n"
    )
    monkeypatch.setitem(os.environ, "RANK", "1")
    silent = preceptor(command, "run.yaml", cwd=tmp_path)
    assert (silent.returncode, silent.stdout, silent.stderr) == (2, "", "")
