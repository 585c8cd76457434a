"""The retrainings of an ablation: one process, one loaded model, each result stored as soon as it is there.

A retraining is found by everything that determines it, so the same command after a crash goes on where it was, and
another plan trains only what is new in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from constitution.progress import Tick
from constitution.store import Store
from judge.label_sets import LabelSet, labels_digest
from pipeline.ablation_answers import AnswerPlan, answers_of, remove_copies
from pipeline.ablation_inputs import Material, wanted_labels
from pipeline.context import Run
from pipeline.singles import read_singles
from pipeline.trained_session import trained_session
from reports.ablation.plan import Plan
from reports.ablation.records import Retrained, retrained_key

if TYPE_CHECKING:
    from train.retrain import Retrainer


class Task(NamedTuple):
    """One retraining to come, or one that is stored already."""

    name: str
    """The label set's."""
    label_set: LabelSet
    labels: dict[str, float | None]
    seed: int
    steps: int
    digest: str
    key: str


def tasks(run: Run, found: Material, plan: Plan, answers: AnswerPlan | None) -> list[Task]:
    """Everything that the plan wants, seed by seed; label sets that give the same labels have the same key."""
    sampled = answers.digest if answers else ""
    by_name = {variant.name: variant for variant in plan.variants}
    listed = []
    for (name, seed), labels in wanted_labels(run, found, plan.variants, plan.seeds).items():
        steps = 0 if by_name[name].kind == "none" else found.steps
        digest = labels_digest(labels)
        key = retrained_key(found.inputs, digest, seed, steps, sampled)
        listed.append(Task(name, by_name[name].at(seed), labels, seed, steps, digest, key))
    return listed


def stored(run: Run, wanted: Sequence[Task]) -> dict[str, Retrained]:
    """Those that are there, by key. A dry run makes no file."""
    if not run.folder.retrained.exists():
        return {}
    with Store(run.folder.retrained, Retrained, read_only=run.dry) as store:
        return store.get(task.key for task in wanted)


def retrain(
    run: Run, found: Material, wanted: Sequence[Task], answers: AnswerPlan | None
) -> dict[tuple[str, int], Retrained]:
    """Every task's result by name and seed; trained and stored where the store does not have it."""
    done = stored(run, wanted)
    missing = list({task.key: task for task in wanted if task.key not in done}.values())
    if missing:
        from train.retrain import Retrainer

        run.close_engines()
        remove_copies(run)
        again = Retrainer(trained_session(run, found))
        singles = {single.key: single.p for single in read_singles(run, found.pairs)}
        with Store(run.folder.retrained, Retrained) as store:
            progress = _Progress(run, missing)
            for task in missing:
                result = _one(run, again, task, singles, answers, found.inputs, progress)
                # Whoever reads the margins alone finds them under the key without answers too.
                alone = result.model_copy(update={"answers": {}, "sampled": ""})
                store.put({result.key: result, alone.key: alone})
                done[task.key] = result
    return {(task.name, task.seed): done[task.key] for task in wanted}


class _Progress:
    """Steps done of all steps to do, and which retraining is in hand."""

    def __init__(self, run: Run, missing: Sequence[Task]) -> None:
        self._run, self._missing = run, missing
        self._total = max(1, sum(task.steps for task in missing))
        self._before, self._index = 0, 0

    def begin(self, task: Task) -> None:
        self._index += 1
        self.step(0)

    def step(self, step: int) -> None:
        task = self._missing[self._index - 1]
        note = f"{self._index} of {len(self._missing)}: {task.name}, seed {task.seed}"
        self._run.console.tick(Tick("retraining (steps)", self._before + step, self._total, note))

    def end(self, task: Task) -> None:
        self._before += task.steps


def _one(
    run: Run,
    again: Retrainer,
    task: Task,
    singles: Mapping[str, float],
    answers: AnswerPlan | None,
    inputs: str,
    progress: _Progress,
) -> Retrained:
    started = time.monotonic()
    progress.begin(task)
    again.train({**task.labels, **singles}, task.seed, task.steps, progress.step)
    progress.end(task)
    moved = again.heldout()
    h = {pair.key: float(h) for pair, h in zip(moved.pairs, moved.h_B, strict=True) if not h.isnan()}
    return Retrained(
        inputs=inputs,
        label_set=task.label_set,
        labels=task.digest,
        seed=task.seed,
        steps=task.steps,
        h=h,
        answers=answers_of(run, again.session.trainee.policy, answers) if answers else {},
        sampled=answers.digest if answers else "",
        seconds=time.monotonic() - started,
    )
