"""What an edited constitution would have trained, from the recorded run alone: `predict`.

The run is played again with the new labels (replay.py), and the margins of the held-out pairs follow the weights to
first order. Where principles were really left out (an ablation's retrainings), each prediction is corrected by what the
replay missed there: the sum of those differences, for every principle in proportion to how much of its weight is gone.

Shapes: N pairs trained on, J held-out pairs, K principles, C coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reports.statistics import Values, p_value, paired_bootstrap, smallest_detectable
from reports.trace.records import Predicted
from reports.trace.replay import LabelSet
from train.gradients import PairGradients

RESAMPLES = 2000


class HeldOut(NamedTuple):
    """The held-out pairs of the run: key and prompt of each, what the principles think of it (2 p_k - 1, NaN where one
    has no opinion), and h with its gradient at the run's last weights."""

    keys: list[str]
    prompts: list[str]
    principles: list[str]
    lean_J_K: Tensor
    seen: PairGradients


class Missed(NamedTuple):
    """By principle left out: what the retraining without it gave beyond the prediction, of every held-out pair [J]."""

    by_principle: Mapping[str, Tensor]


def margins_at(heldout: HeldOut, way_C: Tensor) -> Tensor:
    """The held-out pairs' predicted margins [J] where the weights end `way_C` (replay.way_between) further."""
    return heldout.seen.h_B + (heldout.seen.gradients_B_C @ way_C).double()


def corrected(margins_J: Tensor, missed: Missed, gone: Mapping[str, float]) -> Tensor:
    """With what the replay missed of each principle, times the part of its weight that is `gone`."""
    parts = [part * missed.by_principle[i] for i, part in gone.items() if i in missed.by_principle]
    return margins_J + sum(parts, torch.zeros_like(margins_J))


def behaviours(heldout: HeldOut, margins_J: Tensor) -> dict[str, float]:
    """Every principle's mean margin, over prompts."""
    return {
        principle: float(by_prompt(heldout, column, margins_J).mean())
        for column, principle in enumerate(heldout.principles)
        if not heldout.lean_J_K[:, column].isnan().all()
    }


def predict(heldout: HeldOut, margins_J: Tensor, seed: int) -> list[Predicted]:
    """Every behaviour under predicted margins, against the run as it is."""
    found = []
    for column, principle in enumerate(heldout.principles):
        if heldout.lean_J_K[:, column].isnan().all():
            continue
        now_P, then_P = (by_prompt(heldout, column, values) for values in (heldout.seen.h_B, margins_J))
        found.append(
            Predicted(
                principle=principle,
                now=paired_bootstrap(now_P, RESAMPLES, 0.95, seed),
                then=float(then_P.mean()),
                change=paired_bootstrap(then_P - now_P, RESAMPLES, 0.95, seed),
                detectable=smallest_detectable(then_P - now_P, 0.95),
                p=p_value(then_P - now_P, 0.0),
                pairs=int((~heldout.lean_J_K[:, column].isnan()).sum()),
            )
        )
    return found


def by_prompt(heldout: HeldOut, column: int, margins_J: Tensor) -> Values:
    """Mean of (2 p_k - 1) h by prompt, over the pairs that the principle has an opinion on."""
    return prompt_means(heldout.prompts, heldout.lean_J_K[:, column] * margins_J)


def prompt_means(prompts: Sequence[str], values_J: Tensor) -> Values:
    """Mean by prompt; what is NaN does not count, and a prompt without anything else is left out."""
    by_prompt: dict[str, list[float]] = {}
    for prompt, value in zip(prompts, values_J.tolist(), strict=True):
        if value == value:
            by_prompt.setdefault(prompt, []).append(value)
    return np.array([np.mean(values) for values in by_prompt.values()])


def label_set(labels: Mapping[str, float | None], pairs: Sequence[str]) -> LabelSet:
    """By the pairs' places in the recording."""
    found = [labels.get(key) for key in pairs]
    return LabelSet(
        torch.tensor([0.5 if p is None else p for p in found], dtype=torch.float64),
        torch.tensor([p is not None for p in found]),
    )
