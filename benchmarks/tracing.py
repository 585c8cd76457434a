"""How far predictions from one recorded run are from really retraining, and what they cost.

    make bench-trace   or   .venv/bin/python -m benchmarks.tracing [--run FILE] [--runs FOLDER] [--subsets N] ...

The run is benchmarks/tracing_run: SmolLM2, eight principles with rule oracles. Ground truth is `preceptor ablate`:
every principle left out, and random subsets, at the run's seed. Predicted are the margins of the held-out pairs along
each principle, and the mean length of sampled answers. Cost is counted in trainings of tuned TRL on the same pairs
(tracing_cost.py), each repetition in this call. What is there already in the runs folder is not done again. Last line:
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.ablation_truth import Rate, sham_false_positive_rate
from benchmarks.tracing_cost import Repetition, measure_cost, spread
from benchmarks.tracing_truth import accuracy, ceiling, in_run, lds_in_run
from benchmarks.tracing_world import Milliseconds, whatif_milliseconds
from pipeline.command_ablate import Wanted, run_ablation
from pipeline.context import Run
from pipeline.opened import opened_run
from pipeline.run import run_pipeline
from pipeline.trace_fidelity import Told, means, missed, real_sets, told
from pipeline.trace_sampled import Sampled, told_sampled
from pipeline.tracing import Opened, opened_trace
from pipeline.tracing_answers import answers_seen
from reports.trace.fidelity import Fidelity, fidelity, words

RUN = Path(__file__).parent / "tracing_run/run.yaml"
CEILING_SETS = 16
SAMPLED = ("feature:words",)
"""Behaviours of sampled answers: chosen before anything was measured, as the plainest there is."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--subsets", type=int, default=32)
    parser.add_argument("--answers", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    run_pipeline(("generate", "judge", "label", "train", "behaviour"), given.run, {}, (), given.runs, False)
    run_ablation(given.run, {}, (), given.runs, Wanted(1, given.subsets, (), False, given.answers, None))
    with opened_run(given.run, {}, (), given.runs) as run:
        opened = opened_trace(run)
        print(f"{accuracy(opened)}, {len(opened.recorded.head.pairs)} pairs trained on, {opened.found.steps} steps")
        cost = measure_cost(run, opened, given.threads, given.repetitions, in_run)
        found = measure(run, opened, cost, given.simulations)
        print("\n".join(lines(found, opened.heldout.principles)))
        print(json.dumps(summary(found)))


class Measured(NamedTuple):
    """Everything that is compared: predictions without and with the leave-one-out runs, what a run says by itself,
    another seed, and the costs."""

    alone: Fidelity
    with_loo: Fidelity
    inside: Fidelity
    ceiling: Fidelity
    completeness: float
    cost: list[Repetition]
    speed: Milliseconds
    sham: Rate


def measure(run: Run, opened: Opened, cost: list[Repetition], simulations: int) -> Measured:
    """All of it but the cost."""
    parts_K_F, completeness = in_run(opened)
    count, sets = len(run.constitution.principles), real_sets(run)
    loo = [one for one in sets if len(one.label_set.weights) == count - 1]
    subsets = [one for one in sets if len(one.label_set.weights) < count - 1]
    margins = told(run, opened, subsets, missed(run, opened))
    text = told_sampled(Sampled(run, opened, answers_seen(run, opened), SAMPLED), subsets)
    found = Told(*(np.hstack(both) for both in zip(margins, text, strict=True)))
    real_F = np.hstack([means(opened, opened.heldout.seen.h_B), np.zeros(len(SAMPLED))])
    return Measured(
        enough(fidelity(found.alone, found.real, real_F)),
        enough(fidelity(found.with_loo, found.real, real_F)),
        enough(lds_in_run(opened, parts_K_F, loo)),
        enough(ceiling(run, opened, subsets, CEILING_SETS)),
        completeness,
        cost,
        whatif_milliseconds(),
        sham_false_positive_rate(simulations, 0),
    )


def enough(found: Fidelity | None) -> Fidelity:
    """Ends the benchmark where there were too few label sets, or none that changed anything."""
    if found is None or found.size_error is None:
        raise SystemExit("too few label sets for a rank correlation: give more with --subsets")
    return found


def lines(found: Measured, principles: Sequence[str]) -> list[str]:
    """The figures in words, each with its n and spread."""
    each = zip((*principles, *SAMPLED), found.alone.by_behaviour, found.with_loo.by_behaviour, strict=True)
    sham, speed = found.sham, found.speed
    return [
        f"what-if from the one run:        {words(found.alone)}",
        f"what-if with leave-one-out runs: {words(found.with_loo)}",
        "by behaviour, without and with them: " + ", ".join(f"{name} {a:.2f} {b:.2f}" for name, a, b in each),
        f"in-run attribution:              {words(found.inside)}",
        f"seed-to-seed ceiling:            {words(found.ceiling)}",
        f"completeness error: {100 * found.completeness:.1f} % of the mean change, {len(principles)} behaviours",
        "in trainings of tuned TRL, median and range:",
        f"  one run, recorded, and its trace: {spread([one.trace for one in found.cost])}",
        f"  one run, {len(principles)} leave-one-out retrainings: {spread([one.leave_one_out for one in found.cost])}",
        f"training with a recording over training without: {spread([one.recording for one in found.cost])}",
        f"a what-if: {speed.small:.0f} ms at 256 pairs, {speed.large:.0f} ms at 10,000 (median of {speed.n})",
        f"sham found moving something: {100 * sham.rate:.1f} % [{100 * sham.low:.1f}, {100 * sham.high:.1f}], "
        f"n = {sham.n}",
    ]


def summary(found: Measured) -> dict[str, float]:
    """The last line's object."""
    assert found.alone.size_error is not None
    return {
        "lds_whatif": round(found.alone.lds, 3),
        "lds_whatif_with_loo": round(found.with_loo.lds, 3),
        "lds_inrun": round(found.inside.lds, 3),
        "size_error_whatif": round(found.alone.size_error, 3),
        "seed_ceiling": round(found.ceiling.lds, 3),
        "completeness_error": round(found.completeness, 4),
        "cost_trace": round(statistics.median(one.trace for one in found.cost), 3),
        "cost_loo": round(statistics.median(one.leave_one_out for one in found.cost), 3),
        "recording_ratio": round(statistics.median(one.recording for one in found.cost), 3),
        "sham_false_positive_rate": round(found.sham.rate, 3),
        "whatif_ms": round(found.speed.small, 1),
        "whatif_ms_10k": round(found.speed.large, 1),
    }


if __name__ == "__main__":
    main()
