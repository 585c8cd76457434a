"""ORPO: no reference; the better answer's likelihood plus the odds ratio of the two.

It reads both average log-probabilities, not their difference alone, so it has no slope in one margin, and no
principle's share of it is claimed.

Shapes: B pairs, 2 the answers a and b.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from train.losses.scores import Scores

CERTAIN = -1e-6
"""Odds are infinite where every token of an answer is certain: averages are held below 0 by this much."""


def orpo_loss(scores: Scores, p_B: Tensor, weight: float) -> Tensor:
    """p (nll(a) - weight log sigma(o)) + (1-p) (nll(b) - weight log sigma(-o)), o the log odds ratio of a to b.

    Hong et al. 2024 (arXiv 2403.07691), eqs. 4, 6 and 7, is p = 1. nll is the mean over the answer's own tokens, as is
    the likelihood in the odds; TRL's nll also counts the prompt's tokens and pools the batch's.
    """
    logps_B_2 = scores.scores_B_2 / scores.lengths_B_2
    odds_B = log_odds(logps_B_2[:, 0]) - log_odds(logps_B_2[:, 1])
    a_B = -logps_B_2[:, 0] + weight * softplus(-odds_B)
    b_B = -logps_B_2[:, 1] + weight * softplus(odds_B)
    return p_B * a_B + (1 - p_B) * b_B


def log_odds(logp_B: Tensor) -> Tensor:
    """log(P / (1 - P)) from log P."""
    below_B = logp_B.clamp(max=CERTAIN)
    return below_B - torch.log(-torch.expm1(below_B))
