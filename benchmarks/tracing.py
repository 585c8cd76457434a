"""How far predictions from one recorded run are from really retraining, and what they cost.

    make bench-trace   or   .venv/bin/python -m benchmarks.tracing [--runs FOLDER] [--subsets N] [--answers N]

The run is benchmarks/tracing_run: SmolLM2, eight principles with rule oracles. Ground truth is `preceptor ablate`:
every principle left out, and random subsets, at the run's seed. Predicted are the margins of the held-out pairs along
each principle, and the mean length of sampled answers. Cost is counted in trainings of tuned TRL
(benchmarks/training_trl.py) on the same pairs, with the same adapter and number of steps, timed in the same call. What
is there already in the runs folder is not done again; its time is then that of when it was done. Last line: one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.ablation_truth import Rate, sham_false_positive_rate
from benchmarks.tracing_world import Milliseconds, whatif_milliseconds
from benchmarks.training import in_a_process
from benchmarks.training_plan import Plan, Timing
from pipeline.command_ablate import Wanted, run_ablation
from pipeline.context import Run
from pipeline.opened import opened_run
from pipeline.run import run_pipeline
from pipeline.trace_fidelity import Told, means, missed, real_margins, real_sets, told
from pipeline.tracing import Opened, edited_labels, labels_of, opened_trace, weighted
from pipeline.tracing_answers import answers_seen
from pipeline.trained_session import trained_session
from reports.ablation.records import Retrained
from reports.trace.answers import Answers, changes
from reports.trace.fidelity import Fidelity, fidelity, words
from reports.trace.influence import Way, influence
from reports.trace.replay import replay
from reports.trace.whatif import by_prompt
from train.retrain import Retrainer

RUN = Path(__file__).parent / "tracing_run/run.yaml"
CEILING_SETS = 8
SAMPLED = ("feature:words",)
"""Behaviours of sampled answers: chosen before anything was measured, as the plainest there is."""
SIMULATIONS = 200


def told_sampled(run: Run, opened: Opened, answers: Answers, sets: Sequence[Retrained], named: Sequence[str]) -> Told:
    """The same for behaviours of sampled answers, as changes from the run on its own labels."""
    every = real_sets(run, sampled=True)
    principles = [principle.id for principle in run.constitution.principles]
    by_ids = {frozenset(one.label_set.weights): one for one in every}
    whole = by_ids[frozenset(principles)]

    def real(one: Retrained) -> list[float]:
        both = [[statistics.mean(which.answers[name].values()) for name in named] for which in (one, whole)]
        return [here - there for here, there in zip(*both, strict=True)]

    def alone(one: Retrained) -> list[float]:
        away_C = replay(opened.played, labels_of(run, opened, one.label_set.weights)) * opened.played.stand_for_C
        return [float(changes(answers, name, away_C).mean()) for name in named]

    residuals = {}
    for principle in principles:
        left = by_ids[frozenset(set(principles) - {principle})]
        residuals[principle] = np.array(real(left)) - np.array(alone(left))
    found = [(np.array(alone(one)), np.array(real(by_ids[frozenset(one.label_set.weights)])), one) for one in sets]
    gone = [[residuals[i] for i in principles if i not in one.label_set.weights] for _, _, one in found]
    return Told(
        np.array([predicted for predicted, _, _ in found]),
        np.array([predicted + sum(parts) for (predicted, _, _), parts in zip(found, gone, strict=True)]),
        np.array([really for _, really, _ in found]),
    )


def in_run(opened: Opened) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], float]:
    """Every principle's part [K, F] of every behaviour's change, and the completeness error: the mean over behaviours
    of |sum of parts - change|, over the mean |change|."""
    way = Way(opened.way.steps, [one.gradients_B_C for one in opened.way.found])
    parts_K_J = influence(opened.played, way, opened.table).sum(0)
    change_J = opened.way.found[-1].h_B - opened.way.found[0].h_B
    columns = range(len(opened.heldout.principles))
    mean = lambda column, values_J: float(by_prompt(opened.heldout, column, values_J).mean())  # noqa: E731
    parts_K_F = np.array([[mean(column, row_J) for column in columns] for row_J in parts_K_J])
    change_F = np.array([mean(column, change_J) for column in columns])
    return parts_K_F, float(np.abs(parts_K_F.sum(0) - change_F).mean() / np.abs(change_F).mean())


def lds_in_run(opened: Opened, parts_K_F: np.ndarray, loo: Sequence[Retrained]) -> Fidelity | None:  # type: ignore[type-arg]
    """The run without a principle, to first order: its part is taken away, and the others' grow as their weights do
    when a label's are made to add up to 1 again."""
    now_F = np.array(means(opened, opened.heldout.seen.h_B))
    predicted, real = [], []
    for one in loo:
        (gone,) = set(opened.table.principles) - one.label_set.weights.keys()
        place = opened.table.principles.index(gone)
        others_F = parts_K_F.sum(0) - parts_K_F[place]
        weight = float(opened.table.weights_B_K[:, place].mean())
        predicted.append(now_F - parts_K_F[place] + weight / (1 - weight) * others_F)
        real.append(means(opened, real_margins(opened, one)))
    return fidelity(np.array(predicted), np.array(real), now_F)


def ceiling(run: Run, opened: Opened, sets: Sequence[Retrained], count: int) -> Fidelity | None:
    """The same label sets retrained with another order of the pairs and another adapter to begin with."""
    store = run.folder.root / "ceiling.json"
    known = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    again = None
    for one in sets[:count]:
        if one.key not in known:
            again = again or Retrainer(trained_session(run, opened.found))
            labels = edited_labels(opened, weighted(run.constitution, one.label_set.weights))
            again.train(labels, seed=run.config.seed + 1, steps=opened.found.steps)
            moved = again.heldout()
            known[one.key] = {pair.key: float(h) for pair, h in zip(moved.pairs, moved.h_B, strict=True)}
            store.write_text(json.dumps(known), encoding="utf-8")
    others = [means(opened, torch.tensor([known[one.key][key] for key in opened.heldout.keys])) for one in sets[:count]]
    own = [means(opened, real_margins(opened, one)) for one in sets[:count]]
    now_F = np.array(means(opened, opened.heldout.seen.h_B))
    return fidelity(np.array(others), np.array(own), now_F)


def trl_seconds(run: Run, opened: Opened, threads: int) -> float:
    """One tuned TRL training on the same pairs, hard labels, same adapter, steps and rate; its start-up not counted."""
    pairs = {pair.key: pair for pair in opened.found.pairs}
    train = run.config.train
    assert train.lora
    chosen = [pairs[key] for key in opened.recorded.head.pairs]
    turned = [p if p.p >= 0.5 else p.model_copy(update={"a": p.b, "b": p.a, "p": 1 - p.p}) for p in chosen]
    plan = Plan(
        model=run.reference,
        pairs=tuple(turned),
        epochs=train.epochs,
        pairs_per_step=train.pairs_per_step,
        lora=train.lora,
        learning_rate=train.learning_rate,
        threads=threads,
    )
    with tempfile.TemporaryDirectory() as folder:
        in_a_process("time", "trl_tuned", plan, Path(folder) / "trl")
        return Timing.model_validate_json((Path(folder) / "trl/timing.json").read_text(encoding="utf-8")).seconds


def accuracy(opened: Opened) -> str:
    """On how many held-out pairs the policy agrees with the label: does this training learn?"""
    labels_J = torch.tensor([opened.found.labels[key].p for key in opened.heldout.keys], dtype=torch.float64)
    right_J = ((2 * labels_J - 1) * opened.heldout.seen.h_B > 0).double()
    return f"held-out accuracy {100 * float(right_J.mean()):.0f} % of {len(right_J)} pairs"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--subsets", type=int, default=32)
    parser.add_argument("--answers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    run_pipeline(("generate", "judge", "label", "train", "behaviour"), RUN, {}, (), given.runs, False)
    run_ablation(RUN, {}, (), given.runs, Wanted(1, given.subsets, (), False, given.answers, None))
    with opened_run(RUN, {}, (), given.runs) as run:
        started = time.perf_counter()
        opened = opened_trace(run)
        found = measure(run, opened, given.threads, time.perf_counter() - started)
        print(f"{accuracy(opened)}, {len(opened.recorded.head.pairs)} pairs trained on, {opened.found.steps} steps")
        print("\n".join(lines(found, opened.heldout.principles)))
        print(json.dumps(summary(found)))


class Measured(NamedTuple):
    """Everything that is compared; seconds are wall-clock."""

    alone: Fidelity
    with_loo: Fidelity
    inside: Fidelity
    ceiling: Fidelity
    completeness: float
    trained: list[float]
    run_seconds: float
    followed: float
    rival: float
    speed: Milliseconds
    sham: Rate


def measure(run: Run, opened: Opened, threads: int, followed: float) -> Measured:
    """All of it; `followed` are the seconds that opening the recording took."""
    started = time.perf_counter()
    parts_K_F, completeness = in_run(opened)
    followed += time.perf_counter() - started
    count, sets = len(run.constitution.principles), real_sets(run)
    loo = [one for one in sets if len(one.label_set.weights) == count - 1]
    subsets = [one for one in sets if len(one.label_set.weights) < count - 1]
    margins = told(run, opened, subsets, missed(run, opened))
    text = told_sampled(run, opened, answers_seen(run, opened), subsets, SAMPLED)
    found = Told(*(np.hstack(both) for both in zip(margins, text, strict=True)))
    real_F = np.hstack([means(opened, opened.heldout.seen.h_B), np.zeros(len(SAMPLED))])
    stamp = run.folder.stamp("train")
    assert stamp
    return Measured(
        enough(fidelity(found.alone, found.real, real_F)),
        enough(fidelity(found.with_loo, found.real, real_F)),
        enough(lds_in_run(opened, parts_K_F, loo)),
        enough(ceiling(run, opened, subsets, CEILING_SETS)),
        completeness,
        [one.seconds for one in sets if len(one.label_set.weights) >= count - 1],
        stamp.seconds,
        followed,
        trl_seconds(run, opened, threads),
        whatif_milliseconds(),
        sham_false_positive_rate(SIMULATIONS, 0),
    )


def enough(found: Fidelity | None) -> Fidelity:
    """Ends the benchmark where there were too few label sets."""
    if found is None:
        raise SystemExit("too few label sets for a rank correlation: give more with --subsets")
    return found


def lines(found: Measured, principles: Sequence[str]) -> list[str]:
    """The figures in words, each with its n and spread."""
    each = zip((*principles, *SAMPLED), found.alone.by_behaviour, found.with_loo.by_behaviour, strict=True)
    spread = f"{min(found.trained):.1f} to {max(found.trained):.1f}, n = {len(found.trained)}"
    sham, speed = found.sham, found.speed
    return [
        f"what-if from the one run:        {words(found.alone)}",
        f"what-if with leave-one-out runs: {words(found.with_loo)}",
        "by behaviour, without and with them: " + ", ".join(f"{name} {a:.2f} {b:.2f}" for name, a, b in each),
        f"in-run attribution:              {words(found.inside)}",
        f"seed-to-seed ceiling:            {words(found.ceiling)}",
        f"completeness error: {100 * found.completeness:.1f} % of the mean change, {len(principles)} behaviours",
        f"retraining: {statistics.mean(found.trained):.1f} s each ({spread})",
        f"tuned TRL: {found.rival:.1f} s; our run {found.run_seconds:.1f} s with its loading, the trace "
        f"{found.followed:.1f} s more",
        f"a what-if: {speed.small:.0f} ms at 256 pairs, {speed.large:.0f} ms at 10,000 (median of {speed.n})",
        f"sham found moving something: {100 * sham.rate:.1f} % [{100 * sham.low:.1f}, {100 * sham.high:.1f}], "
        f"n = {sham.n}",
    ]


def summary(found: Measured) -> dict[str, float]:
    """The last line's object."""
    return {
        "lds_whatif": round(found.alone.lds, 3),
        "lds_whatif_with_loo": round(found.with_loo.lds, 3),
        "lds_inrun": round(found.inside.lds, 3),
        "size_error_whatif": round(found.alone.size_error, 3),
        "seed_ceiling": round(found.ceiling.lds, 3),
        "completeness_error": round(found.completeness, 4),
        "cost_trace": round((found.run_seconds + found.followed) / found.rival, 3),
        "cost_loo": round(sum(found.trained) / found.rival, 3),
        "sham_false_positive_rate": round(found.sham.rate, 3),
        "whatif_ms": round(found.speed.small, 1),
        "whatif_ms_10k": round(found.speed.large, 1),
    }


if __name__ == "__main__":
    main()
