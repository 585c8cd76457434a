"""Robust DPO: unbiased when labels are flipped with probability epsilon. The slope is affine in p: exact shares.

Shapes: B pairs (or any shape: all is elementwise).
"""

from __future__ import annotations

from torch import Tensor

from train.losses.dpo import dpo_loss, dpo_slope


def debiased(p_B: Tensor, epsilon: float) -> Tensor:
    """(p - epsilon) / (1 - 2 epsilon): the label before the flips. Beyond [0, 1] where p is surer than they allow."""
    return (p_B - epsilon) / (1 - 2 * epsilon)


def robust_loss(h_B: Tensor, p_B: Tensor, beta: float, epsilon: float) -> Tensor:
    """[(1 - epsilon) L(h) - epsilon L(-h)] / (1 - 2 epsilon), L(h) = -log sigma(beta h); it can be negative.

    Chowdhury et al. 2024 (arXiv 2403.00409) is p = 1. Its expectation over the label is `dpo_loss` at
    `debiased`, since that is affine in p.
    """
    return dpo_loss(h_B, debiased(p_B, epsilon), beta)


def robust_slope(h_B: Tensor, p_B: Tensor, beta: float, epsilon: float) -> Tensor:
    """dL/dh of `robust_loss`."""
    return dpo_slope(h_B, debiased(p_B, epsilon), beta)
