"""What trace, what-if and leave-one-out report cost, in trainings of tuned TRL on the same pairs.

Every repetition times, in turn: tuned TRL (benchmarks/training_trl.py) in a fresh process; our training without and
with a recording, each in a fresh process, the latter followed by every leave-one-out retraining; following the run
(the held-out pairs' gradients along it, the attribution). TRL trains on hard labels, with the same adapter, steps and
rate. Start-up is counted for nobody but in the following, which loads the model. Repetitions are kept beside the
retrainings, in costs.json: the same command after a crash does what is missing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.tracing_side import Took, Work
from benchmarks.training import in_a_process
from benchmarks.training_plan import Plan, Timing
from pipeline.context import Run
from pipeline.tracing import KEYS, Opened, edited_labels, opened_trace, weighted

STORE = "costs.json"


class Repetition(NamedTuple):
    """Seconds."""

    trl: float
    plain: float
    recorded: float
    again: tuple[float, ...]
    followed: float

    @property
    def trace(self) -> float:
        """One run with its recording, and what the trace adds, in trainings of TRL."""
        return (self.recorded + self.followed) / self.trl

    @property
    def leave_one_out(self) -> float:
        """One run and every leave-one-out retraining, in trainings of TRL."""
        return (self.recorded + sum(self.again)) / self.trl

    @property
    def recording(self) -> float:
        """Training with a recording over training without."""
        return self.recorded / self.plain


def measure_cost(
    run: Run, opened: Opened, threads: int, repetitions: int, follow: Callable[[Opened], object]
) -> list[Repetition]:
    """`follow` is what the trace does with an opened recording."""
    plan, work = trl_plan(run, opened, threads), our_work(run, opened, threads)
    store = run.folder.root / STORE
    done = [Repetition(**one) for one in json.loads(store.read_text(encoding="utf-8"))] if store.exists() else []
    for _ in range(len(done), repetitions):
        with tempfile.TemporaryDirectory() as folder:
            in_a_process("time", "trl_tuned", plan, Path(folder) / "trl")
            trl = Timing.model_validate_json((Path(folder) / "trl/timing.json").read_text(encoding="utf-8")).seconds
            plain = in_our_process("plain", work, Path(folder) / "plain").training
            ours = in_our_process("recorded", work, Path(folder) / "recorded")
        done.append(Repetition(trl, plain, ours.training, ours.again, followed(run, follow)))
        store.write_text(json.dumps([one._asdict() for one in done]), encoding="utf-8")
    for number, one in enumerate(done, start=1):
        print(f"cost, repetition {number}: {words(one)}", flush=True)
    return done


def trl_plan(run: Run, opened: Opened, threads: int) -> Plan:
    """The pairs trained on, the better answer first."""
    pairs = {pair.key: pair for pair in opened.found.pairs}
    train = run.config.train
    assert train.lora
    chosen = [pairs[key] for key in opened.recorded.head.pairs]
    turned = [p if p.p >= 0.5 else p.model_copy(update={"a": p.b, "b": p.a, "p": 1 - p.p}) for p in chosen]
    return Plan(
        model=run.reference,
        pairs=tuple(turned),
        epochs=train.epochs,
        pairs_per_step=train.pairs_per_step,
        lora=train.lora,
        learning_rate=train.learning_rate,
        threads=threads,
    )


def our_work(run: Run, opened: Opened, threads: int) -> Work:
    """The run's training as it is, held-out pairs and all, and the label sets without each principle."""
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    without = [{i: weight for i, weight in weights.items() if i != gone} for gone in weights]
    return Work(
        model=run.reference,
        pairs=tuple(opened.found.pairs),
        settings=run.config.train,
        seed=run.config.seed,
        steps=opened.found.steps,
        threads=threads,
        label_sets=tuple(edited_labels(opened, weighted(run.constitution, left)) for left in without),
    )


def in_our_process(task: str, work: Work, folder: Path) -> Took:
    """tracing_side.py on the work, in the new folder."""
    folder.mkdir()
    (folder / "work.json").write_text(work.model_dump_json(exclude_unset=True), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.tracing_side", task, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"our {task} training failed:\n{done.stderr[-4000:]}")
    return Took.model_validate_json((folder / "took.json").read_text(encoding="utf-8"))


def followed(run: Run, follow: Callable[[Opened], object]) -> float:
    """Seconds from a recording that nobody has opened yet to the end of `follow`."""
    (run.folder.recording / KEYS).unlink()
    started = time.perf_counter()
    follow(opened_trace(run))
    return time.perf_counter() - started


def words(one: Repetition) -> str:
    """One repetition's seconds."""
    return (
        f"tuned TRL {one.trl:.1f} s; ours {one.plain:.1f} s, with a recording {one.recorded:.1f} s; "
        f"{len(one.again)} retrainings {sum(one.again):.1f} s; following the run {one.followed:.1f} s"
    )


def spread(values: Sequence[float]) -> str:
    """Median, range and number."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}, n = {len(values)})"
