"""Our side of the cost of tracing, in a process of its own: `python -m benchmarks.tracing_side plain|recorded WORK`.

Reads WORK/work.json and writes WORK/took.json. `plain` trains without a recording; `recorded` with one, and then
trains again on every other label set.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from constitution.progress import Tick
from constitution.record import Record
from constitution.store import Store
from generate.engine import ModelRef
from train.loop import train
from train.records import TrainPair
from train.reference import ReferenceLogps
from train.retrain import Retrainer
from train.session import Job, prepare
from train.settings import TrainSettings


class Work(Record):
    """A run's training, and the label sets to train on again (p by pair key, None for no label)."""

    model: ModelRef
    pairs: tuple[TrainPair, ...]
    settings: TrainSettings
    seed: int
    steps: int
    threads: int
    label_sets: tuple[dict[str, float | None], ...]


class Took(Record):
    """Seconds. `training`: reference pass and all steps, without start-up. `again`: each retraining with its held-out
    margins; the first also fills the cache of the frozen layers."""

    training: float
    again: tuple[float, ...]


def trained(work: Work, folder: Path, recorded: bool, references: Store[ReferenceLogps]) -> float:
    """Seconds from the start of the reference pass to the end of the last step."""
    marks: list[tuple[float, Tick]] = []
    out, recording = folder / "policy", folder / "recording" if recorded else None
    train(
        work.pairs,
        work.model,
        work.settings,
        work.seed,
        out,
        folder / "metrics.jsonl",
        references,
        lambda tick: marks.append((time.perf_counter(), tick)),
        recording,
    )
    ended = max(when for when, tick in marks if tick.what == "training")
    return ended - next(when for when, tick in marks if tick.what == "reference")


def trained_again(work: Work, folder: Path, references: Store[ReferenceLogps]) -> list[float]:
    """Seconds of each label set."""
    job = Job(work.pairs, work.model, work.settings, work.seed, folder / "again", folder / "again.jsonl")
    again = Retrainer(prepare(job, references, lambda tick: None))
    took = []
    for labels in work.label_sets:
        started = time.perf_counter()
        again.train(labels, steps=work.steps)
        again.heldout()
        took.append(time.perf_counter() - started)
    return took


def run(task: str, folder: Path) -> None:
    """Do the task in this process."""
    work = Work.model_validate_json((folder / "work.json").read_text(encoding="utf-8"))
    torch.set_num_threads(work.threads)
    with Store(folder / "references.sqlite", ReferenceLogps) as references:
        training = trained(work, folder, task == "recorded", references)
        again = trained_again(work, folder, references) if task == "recorded" else []
    (folder / "took.json").write_text(Took(training=training, again=tuple(again)).model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
