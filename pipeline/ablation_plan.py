"""What an ablation says before it begins: how many retrainings, what becomes of the labels, how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.store import Store
from judge.label_sets import compare_labels
from pipeline.ablation import Task, stored
from pipeline.ablation_answers import AnswerPlan
from pipeline.ablation_inputs import Material
from pipeline.ablation_store import training_inputs
from pipeline.console import duration
from pipeline.context import Run
from reports.ablation.plan import Plan
from reports.ablation.records import Retrained


def say_plan(run: Run, found: Material, plan: Plan, listed: Sequence[Task], answers: AnswerPlan | None) -> None:
    """Every label set with its labels against the run's, then the count and the time."""
    seeds, done = len(plan.seeds), stored(run, listed)
    run.console.say(
        f"  {len(plan.variants)} label sets x {seeds} seed{'s' * (seeds > 1)}: no judge is asked; {len(found.labels)} "
        f"labelled pairs, {found.heldout} of them held out"
    )
    real = {key: label.p for key, label in found.labels.items()}
    for task in listed:
        if task.seed == plan.seeds[0]:
            change = compare_labels(real, task.labels)
            moved = f"{change.changed} labels change ({change.flipped} of them side), {change.vanished} vanish"
            same = "" if change.changed or change.vanished else ": the run's own labels"
            run.console.say(f"    {task.name}: {moved}{same}")
    keys = {task.key for task in listed}
    missing = {task.key: task.steps for task in listed if task.key not in done}
    known = len(keys) - len(missing)
    run.console.say(
        f"  {len(keys)} different retrainings, {known} stored, {len(missing)} to do{_answers(answers, len(missing))}"
    )
    if missing:
        run.console.say(f"  {_time(run, found, sum(missing.values()), len(missing), answers)}")


def _answers(plan: AnswerPlan | None, missing: int) -> str:
    if plan is None or not missing:
        return ""
    return f"; each then answers {len(plan.prompts)} held-out prompts {plan.samples} times"


def _time(run: Run, found: Material, steps: int, count: int, answers: AnswerPlan | None) -> str:
    """From retrainings of this run and kind where there are any, else from the run's own training and sampling."""
    before = [one for one in _everything(run) if one.sampled == (answers.digest if answers else "") and one.steps]
    if before:
        a_step = sum(one.seconds for one in before) / sum(one.steps for one in before)
        return f"about {duration(a_step * steps)}, as {len(before)} retrainings of this run took"
    stamp = run.folder.stamp("train")
    if stamp is None or not found.steps:
        return "time: not known, as this run's own training was not timed"
    seconds = stamp.seconds / found.steps * steps
    words = f"at most about {duration(seconds)} of training, by the run's own with its loading and reference"
    sampling = run.folder.stamp("behaviour")
    if answers is None or sampling is None:
        return words
    # The stage samples all held-out prompts from two policies.
    share = len(answers.prompts) / max(1, 2 * len(run.heldout_prompts))
    return f"{words}, and {duration(sampling.seconds * share * count)} of answers"


def _everything(run: Run) -> list[Retrained]:
    if not run.folder.retrained.exists():
        return []
    inputs = training_inputs(run)
    with Store(run.folder.retrained, Retrained, read_only=run.dry) as store:
        return [one for one in store.everything().values() if one.inputs == inputs]
