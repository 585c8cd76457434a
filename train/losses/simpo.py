"""SimPO: no reference; h is the difference of the average log-probabilities. The slope is affine in p: exact shares.

Shapes: B pairs (or any shape: all is elementwise).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus


def simpo_loss(h_B: Tensor, p_B: Tensor, beta: float, gamma: float) -> Tensor:
    """-p log sigma(beta h - gamma) - (1-p) log sigma(-beta h - gamma), h in nats a token.

    Meng et al. 2024 (arXiv 2405.14734), eq. 6, is p = 1: the better answer is to be ahead by gamma / beta nats a token.
    For soft labels each side keeps its margin gamma, so that swapping the answers changes nothing.
    """
    return p_B * softplus(gamma - beta * h_B) + (1 - p_B) * softplus(gamma + beta * h_B)


def simpo_slope(h_B: Tensor, p_B: Tensor, beta: float, gamma: float) -> Tensor:
    """dL/dh of `simpo_loss`: beta ((1-p) sigma(gamma + beta h) - p sigma(gamma - beta h))."""
    return beta * ((1 - p_B) * (gamma + beta * h_B).sigmoid() - p_B * (gamma - beta * h_B).sigmoid())
