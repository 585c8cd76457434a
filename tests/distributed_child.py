"""What one of torchrun's processes does in tests/test_distributed.py: every training that the file names, in turn.

torchrun --standalone --nproc-per-node 2 -m tests.distributed_child PLAN.json
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from constitution.progress import Tick
from constitution.record import Record
from constitution.store import Store
from generate.engine import ModelRef
from pipeline.workers import leaving
from tests.training import make_pairs
from train import team
from train.loop import train
from train.reference import ReferenceLogps
from train.settings import TrainSettings
from train.summary import TrainSummary


class Case(Record):
    """One training of 20 pairs: where, with which settings; at step `kill_at` the processes `kill` get a signal."""

    folder: Path
    settings: TrainSettings
    kill_at: int = 0
    kill: tuple[int, ...] = ()
    how: int = signal.SIGKILL


class Plan(Record):
    """Trainings of one model."""

    model: ModelRef
    cases: tuple[Case, ...]


def run_case(case: Case, model: ModelRef) -> TrainSummary:
    """The training, in one process or in each of several; only the first has a file of references."""

    def die(tick: Tick) -> None:
        if tick.what == "training" and tick.done == case.kill_at and team.rank() in case.kill:
            os.kill(os.getpid(), case.how)

    case.folder.mkdir(exist_ok=True, parents=True)
    store = case.folder / "references.sqlite" if team.is_first() else Path(":memory:")
    with Store(store, ReferenceLogps) as references:
        return train(
            make_pairs(20),
            model,
            case.settings,
            5,
            case.folder / "policy",
            case.folder / "metrics.jsonl",
            references,
            die,
        )


def main() -> None:
    """Run the plan; in every process each summary must be the first one's."""
    torch.set_num_threads(1)
    plan = Plan.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with team.joined():
        for case in plan.cases:
            summary = run_case(case, plan.model)
            first = team.told(summary, TrainSummary)
            assert first == summary, (case.folder.name, team.rank(), first, summary)


if __name__ == "__main__":
    with leaving():
        main()
        sys.exit(0)
