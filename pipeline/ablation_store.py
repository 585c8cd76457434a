"""What was retrained in this run: for whoever compares a prediction with it. Loads no model and needs no torch."""

from __future__ import annotations

from constitution.read_json import read_object
from constitution.store import Store
from pipeline.context import Run
from reports.ablation.records import Retrained


def training_inputs(run: Run) -> str | None:
    """Digest of everything that determined the run's own training; None before there is one."""
    if not run.folder.training.exists():
        return None
    return str(read_object(run.folder.training, needs=("inputs",))["inputs"])


def read_retrained(run: Run, *, sampled: bool = False) -> list[Retrained]:
    """Every retraining of the policy that the run has now, in a stable order; none of an earlier one. With `sampled`,
    those that answered prompts, else all, without their answers.

    A label set has one entry a seed, and so have two label sets that give the same labels.
    """
    if not run.folder.retrained.exists():
        return []
    with Store(run.folder.retrained, Retrained) as store:
        found = store.everything().values()
    return [one for one in found if one.inputs == training_inputs(run) and bool(one.sampled) == sampled]
