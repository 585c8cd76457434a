"""kill -9 at many points, then the same call: policy, metrics and summary are the undisturbed run's, bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from constitution.progress import Tick
from constitution.store import Store
from generate.engine import ModelRef
from tests.training import LORA, make_pairs, save_tiny_model
from train.checkpoint import NAME
from train.loop import train
from train.reference import ReferenceLogps
from train.settings import EarlyStop, TrainSettings
from train.summary import TrainSummary

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 9
SETTINGS = TrainSettings(
    lora=LORA,
    epochs=3,
    pairs_per_step=4,
    learning_rate=5e-3,
    heldout_fraction=0.2,
    log_every=2,
    checkpoint_every=4,
    row_tokens=300,
)


class Kill(NamedTuple):
    """SIGKILL at the `count`-th progress tick of this kind, or just before the `count`-th rename of a file."""

    at: str
    count: int


def run(
    folder: Path,
    model: ModelRef,
    kill: Kill | None = None,
    seed: int = 5,
    settings: TrainSettings = SETTINGS,
) -> TrainSummary:
    """One training in `folder`; the process dies at `kill`."""
    seen = 0

    def count_to_death(what: str) -> None:
        nonlocal seen
        if kill and kill.at == what:
            seen += 1
            if seen == kill.count:
                os.kill(os.getpid(), signal.SIGKILL)

    rename = os.replace

    def watched_rename(source: Any, target: Any) -> None:
        count_to_death("rename")
        rename(source, target)

    def watched_tick(tick: Tick) -> None:
        count_to_death(tick.what)

    folder.mkdir(exist_ok=True)
    os.replace = watched_rename  # type: ignore[assignment]
    try:
        with Store(folder / "references.sqlite", ReferenceLogps) as store:
            out, metrics, recording = folder / "policy", folder / "metrics.jsonl", folder / "recording"
            return train(make_pairs(15), model, settings, seed, out, metrics, store, watched_tick, recording)
    finally:
        os.replace = rename


def run_to_death(folder: Path, model: ModelRef, kill: Kill, settings: TrainSettings) -> None:
    """What the process to be killed does, on one thread as this one."""
    torch.set_num_threads(1)
    run(folder, model, kill, settings=settings)


def killed_run(folder: Path, model: ModelRef, kill: Kill, settings: TrainSettings = SETTINGS) -> None:
    """The same in a process of its own, which must die."""
    context = multiprocessing.get_context("forkserver")
    # What takes long to import is imported once, by the server that the children are forked from.
    context.set_forkserver_preload(["tests.training", "train.loop", "peft", "transformers.models.llama"])
    child = context.Process(target=run_to_death, args=(folder, model, kill, settings))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a user reads."""
    files = [*(folder / "policy").rglob("*"), *(folder / "recording").rglob("*"), folder / "metrics.jsonl"]
    skipped = {"training.json", "README.md"}
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if f.is_file() and f.name not in skipped}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, model: ModelRef) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(folder, model).steps == STEPS
    return folder


def assert_same_end(folder: Path, undisturbed: Path, model: ModelRef, settings: TrainSettings = SETTINGS) -> None:
    summary = run(folder, model, settings=settings)
    expected = run(undisturbed, model, settings=settings)
    assert summary.model_copy(update={"policy": expected.policy}) == expected
    assert contents(folder) == contents(undisturbed)
    assert not (folder / "policy" / NAME).exists()


@pytest.mark.parametrize(
    "kill",
    [
        Kill("reference", 1),
        Kill("reference", 2),
        Kill("training", 1),
        Kill("training", 4),
        Kill("training", 7),
        Kill("training", STEPS),
        Kill("rename", 2),
        Kill("rename", 3),
        Kill("rename", 6),
        Kill("rename", 9),
    ],
    ids=str,
)
def test_killed_once(tmp_path: Path, undisturbed: Path, model: ModelRef, kill: Kill) -> None:
    folder = tmp_path / "run"
    killed_run(folder, model, kill)
    assert_same_end(folder, undisturbed, model)


def test_killed_again_and_again(tmp_path: Path, undisturbed: Path, model: ModelRef) -> None:
    folder = tmp_path / "run"
    for kill in (Kill("training", 5), Kill("training", 3), Kill("rename", 1), Kill("training", 1)):
        killed_run(folder, model, kill)
    assert_same_end(folder, undisturbed, model)


class Life(NamedTuple):
    """A policy's settings, and how many of its runs are killed."""

    kills: int
    changes: dict[str, Any]


FULL = {"lora": None, "learning_rate": 1e-3}
LIVES = {
    "adapter": Life(20, {}),
    "all weights": Life(4, FULL | {"loss": "hinge"}),
    "mixed, early stop": Life(4, FULL | {"dtype": "mixed", "early_stop": EarlyStop(patience=1), "log_every": 5}),
    "bfloat16, kto": Life(4, {"dtype": "bfloat16", "loss": "kto"}),
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_killed_many_times_at_random_steps(tmp_path: Path, model: ModelRef, life: Life) -> None:
    """One to five steps before each SIGKILL; the run that is left alone then ends as the one that nothing disturbed."""
    changes = {"epochs": 2 + 34 * life.kills // 20, "checkpoint_every": 2, "heldout_fraction": 0.1} | life.changes
    settings = TrainSettings(**(SETTINGS.model_dump(exclude_unset=True) | changes))
    draw = random.Random(20)
    run(tmp_path / "undisturbed", model, settings=settings)
    for _ in range(life.kills):
        killed_run(tmp_path / "killed", model, Kill("training", draw.randint(1, 5)), settings)
    assert_same_end(tmp_path / "killed", tmp_path / "undisturbed", model, settings)


def test_a_continued_run_does_not_repeat_steps(tmp_path: Path, model: ModelRef) -> None:
    killed_run(tmp_path, model, Kill("training", 7))
    ticks: list[Tick] = []
    with Store(tmp_path / "references.sqlite", ReferenceLogps) as store:
        out, metrics = tmp_path / "policy", tmp_path / "metrics.jsonl"
        train(make_pairs(15), model, SETTINGS, 5, out, metrics, store, ticks.append)
    assert [(tick.what, tick.done) for tick in ticks] == [("training", step) for step in range(5, STEPS + 1)]


def test_a_checkpoint_of_other_inputs_is_not_used(tmp_path: Path, undisturbed: Path, model: ModelRef) -> None:
    folder = tmp_path / "run"
    killed_run(folder, model, Kill("training", 7))
    run(folder, model, seed=6)
    other = tmp_path / "fresh"
    run(other, model, seed=6)
    assert contents(folder) == contents(other) != contents(undisturbed)


def test_a_damaged_checkpoint_or_lost_metrics_mean_a_fresh_start(
    tmp_path: Path, undisturbed: Path, model: ModelRef
) -> None:
    damaged, lost = tmp_path / "damaged", tmp_path / "lost"
    for folder in (damaged, lost):
        killed_run(folder, model, Kill("training", 5))
    (damaged / "policy" / NAME).write_bytes(b"not a checkpoint")
    (lost / "metrics.jsonl").unlink()
    for folder in (damaged, lost):
        assert_same_end(folder, undisturbed, model)
