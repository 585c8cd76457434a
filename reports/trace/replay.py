"""A recorded training played again with other labels, without the model: what the weights would have become.

Each pair's dh along the run is kept (train/recording.py), at some coordinates of the weights. With other labels p' the
same steps are done again on these coordinates:

    h'_i = h_i + dh_i . d                              the margin, at weights that are d away from the recorded ones
    g'   = sum_i L'(h'_i, p'_i) / n  dh_i              the step's gradient; L' is the loss's own slope
    u'   = AdamW's update from g', its moments its own
    d   <- d - (u' - u)                                u is the recorded run's update

All of it is what training would do, except that dh_i stays what it was at the recorded weights. AdamW works coordinate
by coordinate, so a part of them needs no other approximation; products of whole vectors are estimated from it.
Two things decide how good it is: the margins that answer to d, and second moments of the run's own (docs/trace-log.md).

Shapes: N pairs trained on, B of a step, C coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from train.losses.choose import Slope
from train.recording import StepRecord

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""AdamW's, as training uses them (torch's defaults)."""


class Rules(NamedTuple):
    """How the run was trained: dL/dh as a function of (h, p), the norm gradients are clipped to, the weight decay."""

    slope: Slope
    max_norm: float
    decay: float


class Recording(NamedTuple):
    """What is played: the steps, how many numbers each coordinate stands for, and of the recorded run's own steps their
    updates (T tensors [C]) and their gradients' lengths at the coordinates."""

    steps: Sequence[StepRecord]
    stand_for_C: Tensor
    rules: Rules
    updates: list[Tensor]
    lengths: list[Tensor]


class LabelSet(NamedTuple):
    """p of every pair trained on; where `there_N` is False there is no label, and the pair pulls nowhere."""

    p_N: Tensor
    there_N: Tensor


class _Adam:
    """AdamW's moments on the coordinates."""

    def __init__(self, coordinates: int) -> None:
        self.first_C, self.second_C, self.step = torch.zeros(coordinates), torch.zeros(coordinates), 0

    def update(self, gradient_C: Tensor, rate: float) -> Tensor:
        """The step's change of the weights, to be subtracted; Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1."""
        self.step += 1
        self.first_C.mul_(BETA1).add_(gradient_C, alpha=1 - BETA1)
        self.second_C.mul_(BETA2).addcmul_(gradient_C, gradient_C, value=1 - BETA2)
        return rate / (1 - BETA1**self.step) * self.first_C / self.root()

    def root(self) -> Tensor:
        """What an update is divided by."""
        return (self.second_C / (1 - BETA2**self.step)).sqrt_().add_(EPSILON)


def recording(steps: Sequence[StepRecord], stand_for_C: Tensor, rules: Rules) -> Recording:
    """Ready to be played: the recorded run's updates are worked out once."""
    adam = _Adam(len(stand_for_C))
    updates, lengths = [], []
    for step in steps:
        gradient_C = _recorded_gradient(step)
        updates.append(adam.update(clip_of(step, rules) * gradient_C, step.rate))
        lengths.append(_length(gradient_C, stand_for_C))
    return Recording(steps, stand_for_C, rules, updates, lengths)


def roots(played: Recording) -> list[Tensor]:
    """What each step's update was divided by [C]: the recorded run's second moments."""
    adam, found = _Adam(len(played.stand_for_C)), []
    for step in played.steps:
        adam.update(clip_of(step, played.rules) * _recorded_gradient(step), step.rate)
        found.append(adam.root())
    return found


def clip_of(step: StepRecord, rules: Rules) -> float:
    """What the recorded step's gradient was multiplied with, as torch.nn.utils.clip_grad_norm_ does."""
    return min(1.0, rules.max_norm / (step.norm + 1e-6))


def replay(played: Recording, labels: LabelSet) -> Tensor:
    """d [C]: how far from the recorded run's last weights another label set would have ended."""
    rules, away_C = played.rules, torch.zeros(len(played.stand_for_C))
    adam = _Adam(len(away_C))
    for step, update_C, length in zip(played.steps, played.updates, played.lengths, strict=True):
        gradient_C = _gradient(step, length, played, labels, away_C)
        away_C.mul_(1 - step.rate * rules.decay).sub_(adam.update(gradient_C, step.rate)).add_(update_C)
    return away_C


def way_between(played: Recording, labels: LabelSet) -> Tensor:
    """d [C] as products of whole vectors are estimated from it: each coordinate times how many it stands for."""
    return replay(played, labels) * played.stand_for_C


def _gradient(step: StepRecord, length: Tensor, played: Recording, labels: LabelSet, away_C: Tensor) -> Tensor:
    """The step's clipped gradient under other labels."""
    h_B = step.h_B + (step.gradients_B_C @ (away_C * played.stand_for_C)).double()
    p_B, there_B = labels.p_N[step.pairs_B], labels.there_N[step.pairs_B]
    # `pull` is divided by what the loss is averaged over, which is all pairs of the step.
    pull_B = played.rules.slope(h_B, p_B) * there_B / len(step.pairs_B)
    gradient_C = pull_B.float() @ step.gradients_B_C
    return gradient_C * min(1.0, played.rules.max_norm / (_norm(step, length, played.stand_for_C, gradient_C) + 1e-6))


def _norm(step: StepRecord, length: Tensor, stand_for_C: Tensor, gradient_C: Tensor) -> float:
    """The whole gradient's norm: its length at the coordinates, in units of the recorded step's, which is known."""
    return step.norm * float(_length(gradient_C, stand_for_C) / length) if length > 0 else 0.0


def _length(gradient_C: Tensor, stand_for_C: Tensor) -> Tensor:
    """The norm that the coordinates give."""
    return (gradient_C.square() @ stand_for_C).sqrt()


def _recorded_gradient(step: StepRecord) -> Tensor:
    """The recorded step's gradient at the coordinates, before clipping."""
    return step.pull_B.float() @ step.gradients_B_C
