"""Who moved what: every pair's and every principle's part of a change, added up along the run as it went.

The part of pair i's pull at step s in the change of a probe f (a margin, a log-probability), first-order at each step:

    - c_is  dh_is . sum_{t >= s} a_t (1 - b1) b1^(t-s) df_t / root_t        a_t = rate_t / (1 - b1^(t+1))

because AdamW's first moment is linear in the gradients, and its second moment (root_t) is the run's own. df_t is the
probe's gradient, taken at the kept weights and their mean in between (the trapezoid rule). The sum over s is done from
the last step backwards, so it costs one pass over the recording whatever the number of principles. A pair's pull is the
sum of its principles' (train/losses/choose.share_coefficients), so the parts of principles add up to that of the pair,
and the parts of pairs to the change itself, but for what the trapezoid rule leaves: the completeness, which is
measured.

In-run attribution for AdamW: Wang et al. 2024 (arXiv 2406.11011) has it for SGD; the split by principle is ours.

Shapes: N pairs trained on, B of a step, K principles, F probes, C coordinates, S kept weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from reports.trace.replay import BETA1, Recording, clip_of, roots
from train.losses import share_coefficients
from train.losses.choose import Slope
from train.metrics import Votes


class Way(NamedTuple):
    """The probes along the run: after `steps[s]` steps their gradients [F, C] were `gradients[s]`."""

    steps: Sequence[int]
    gradients: Sequence[Tensor]


def influence(played: Recording, way: Way, table: Votes) -> Tensor:
    """The part [N, K, F] of every pair under every principle in every probe's change, in the probe's units.

    Only for labels that are the weighted mean of their shares (train.metrics.pulls is None for others).
    """
    assert way.steps[0] == 0
    assert way.steps[-1] == len(played.steps)
    rules, count = played.rules, len(way.gradients[0])
    parts_N_K_F = torch.zeros(*table.p_B_K.shape, count, dtype=torch.float64)
    ahead_F_C = torch.zeros_like(way.gradients[0])
    divided = roots(played)
    for done in range(len(played.steps) - 1, -1, -1):
        step = played.steps[done]
        share = step.rate / (1 - BETA1 ** (done + 1)) * (1 - BETA1)
        ahead_F_C = ahead_F_C * BETA1 + share * _between(way, done) / divided[done]
        along_B_F = step.gradients_B_C @ (ahead_F_C * played.stand_for_C).t()
        pulls_B_K = principle_pulls(rules.slope, step.h_B, table, step.pairs_B) * clip_of(step, rules)
        parts_N_K_F.index_add_(0, step.pairs_B, -pulls_B_K[:, :, None] * along_B_F.double()[:, None, :])
    return parts_N_K_F


def principle_pulls(slope: Slope, h_B: Tensor, table: Votes, pairs_B: Tensor) -> Tensor:
    """dL/dh of a step's mean loss [B, K], split into its principles' parts."""
    return share_coefficients(slope, h_B, table.p_B_K[pairs_B], table.weights_B_K[pairs_B]) / len(pairs_B)


def _between(way: Way, done: int) -> Tensor:
    """The probes' gradients during the step after `done` steps: the mean of those kept before and after it."""
    after = next(place for place, steps in enumerate(way.steps) if steps > done)
    return (way.gradients[after - 1] + way.gradients[after]) / 2


def update_shares(played: Recording, table: Votes) -> Tensor:
    """The principles' parts [K, C] of the way that the weights went, at the coordinates; they add up to it."""
    first_K_C = torch.zeros(table.p_B_K.shape[1], len(played.stand_for_C))
    total_K_C = torch.zeros_like(first_K_C)
    divided = roots(played)
    for done, step in enumerate(played.steps):
        pulls_B_K = principle_pulls(played.rules.slope, step.h_B, table, step.pairs_B)
        gradients_K_C = clip_of(step, played.rules) * (pulls_B_K.t().float() @ step.gradients_B_C)
        first_K_C.mul_(BETA1).add_(gradients_K_C, alpha=1 - BETA1)
        total_K_C -= step.rate / (1 - BETA1 ** (done + 1)) * first_K_C / divided[done]
    return total_K_C
