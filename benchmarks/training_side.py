"""One side of the training benchmark, in a process of its own: `python -m benchmarks.training_side TASK SIDE WORK`.

Reads WORK/plan.json. TASK `time` writes WORK/timing.json; `gradient` writes WORK/gradient.safetensors.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any, cast

import torch

from benchmarks.training_equality import save_gradient
from benchmarks.training_plan import SEED, Plan, Side, Timing
from benchmarks.training_trl import make_trainer, timed_reference
from constitution.progress import Tick
from constitution.store import Store
from train.loop import train
from train.reference import ReferenceLogps


def peak_mb() -> float:
    """The most that this process has had resident so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def time_ours(plan: Plan, work: Path) -> Timing:
    """`train.loop.train`, as the command runs it, from the start of its reference pass to the end of its last step."""
    marks: list[tuple[float, float, Tick]] = []
    before = peak_mb()
    with Store(work / "references.sqlite", ReferenceLogps) as store:
        train(
            plan.pairs,
            plan.model,
            plan.settings(),
            SEED,
            work / "policy",
            work / "metrics.jsonl",
            store,
            lambda tick: marks.append((time.perf_counter(), peak_mb(), tick)),
        )
    reference = [when for when, _, tick in marks if tick.what == "reference"]
    ended, peak, _ = next(mark for mark in reversed(marks) if mark[2].what == "training")
    return Timing(seconds=ended - reference[0], reference_seconds=reference[-1] - reference[0], peak_mb=peak - before)


def time_trl(plan: Plan, side: Side, work: Path) -> Timing:
    """DPOTrainer.train from its first step to its last, and the reference pass that it may have made before."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *given: Any, **named: Any) -> None:
            marks.append(time.perf_counter())

        def on_step_end(self, *given: Any, **named: Any) -> None:
            marks.append(time.perf_counter())

    marks: list[float] = []
    before = peak_mb()
    with timed_reference() as reference:
        trainer = make_trainer(plan, side, work / "trl")
        trainer.add_callback(Watch())
        trainer.train()
    return Timing(
        seconds=sum(reference) + marks[-1] - marks[0], reference_seconds=sum(reference), peak_mb=peak_mb() - before
    )


def run(task: str, side: Side, work: Path) -> None:
    """Do the task in this process."""
    plan = Plan.model_validate_json((work / "plan.json").read_text(encoding="utf-8"))
    torch.set_num_threads(plan.threads)
    if task == "gradient":
        save_gradient(plan, side, work)
    else:
        timing = time_ours(plan, work) if side == "ours" else time_trl(plan, side, work)
        (work / "timing.json").write_text(timing.model_dump_json(), encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1], cast(Side, sys.argv[2]), Path(sys.argv[3]))
