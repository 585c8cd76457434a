"""Predictions beside what was really retrained in the run (`preceptor ablate`): what the replay missed, and how far off
predictions are.

Shapes: M label sets, F behaviours, J held-out pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.ablation_store import read_retrained
from pipeline.context import Run
from pipeline.tracing import Opened, prediction
from reports.ablation.records import Retrained
from reports.trace.fidelity import Fidelity, Table, fidelity
from reports.trace.whatif import Missed, behaviours, corrected


class Told(NamedTuple):
    """Behaviours of label sets [M, F]: predicted without and with the leave-one-out runs, and retrained."""

    alone: Table
    with_loo: Table
    real: Table


def missed(run: Run, opened: Opened) -> Missed:
    """What the replay missed of each principle that was really left out with the run's own seed; empty without any."""
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    found = {}
    for one in real_sets(run):
        gone = weights.keys() - one.label_set.weights.keys()
        if len(gone) == 1:
            found[gone.pop()] = real_margins(opened, one) - prediction(run, opened, one.label_set.weights)
    return Missed(found)


def real_sets(run: Run, *, sampled: bool = False) -> list[Retrained]:
    """The retrainings with the run's own seed on principles of its constitution at their own weights; with `sampled`,
    those that answered prompts."""
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    return [
        one
        for one in read_retrained(run, sampled=sampled)
        if one.seed == run.config.seed
        and not one.label_set.planted
        and one.label_set.weights
        and one.label_set.weights.items() <= weights.items()
    ]


def real_margins(opened: Opened, one: Retrained) -> torch.Tensor:
    """h [J] of the held-out pairs after a retraining."""
    return torch.tensor([one.h[key] for key in opened.heldout.keys], dtype=torch.float64)


def told(run: Run, opened: Opened, sets: Sequence[Retrained], residuals: Missed) -> Told:
    """Predicted and retrained, set by set."""
    alone, with_loo, real = [], [], []
    principles = [principle.id for principle in run.constitution.principles]
    for one in sets:
        margins_J = prediction(run, opened, one.label_set.weights)
        gone = {i: 1.0 for i in principles if i not in one.label_set.weights}
        alone.append(means(opened, margins_J))
        with_loo.append(means(opened, corrected(margins_J, residuals, gone)))
        real.append(means(opened, real_margins(opened, one)))
    return Told(np.array(alone), np.array(with_loo), np.array(real))


def means(opened: Opened, margins_J: torch.Tensor) -> list[float]:
    """Every behaviour of these margins, in the order of the principles."""
    return list(behaviours(opened.heldout, margins_J).values())


def measured_fidelity(run: Run, opened: Opened, residuals: Missed) -> Fidelity | None:
    """How predictions do on the retrained label sets that correct none of them."""
    count = len(run.constitution.principles)
    sets = [one for one in real_sets(run) if count - len(one.label_set.weights) > 1]
    if not sets:
        return None
    found = told(run, opened, sets, residuals)
    return fidelity(found.with_loo, found.real, np.array(means(opened, opened.heldout.seen.h_B)))
