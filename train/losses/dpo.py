"""DPO and conservative DPO. The slope is affine in p: a pair's gradient splits exactly into its principles' shares.

Shapes: B pairs (or any shape: all is elementwise).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus


def dpo_loss(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """-p log sigma(beta h) - (1-p) log sigma(-beta h) = log(1 + e^{beta h}) - p beta h; ln 2 at h = 0 whatever p is.

    Rafailov et al. 2023 (arXiv 2305.18290), eq. 7, is p = 1; soft labels are the cross-entropy of the same
    Bradley-Terry probability. Any real p has a meaning here, which `robust.py` uses.
    """
    return softplus(beta * h_B) - p_B * beta * h_B


def dpo_slope(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """dL/dh of `dpo_loss`: beta (sigma(beta h) - p)."""
    return beta * ((beta * h_B).sigmoid() - p_B)


def smoothed(p_B: Tensor, epsilon: float) -> Tensor:
    """The label if it is flipped with probability epsilon: (1 - epsilon) p + epsilon (1 - p).

    DPO on it is conservative DPO (Mitchell 2023, https://ericmitchell.ai/cdpo.pdf).
    """
    return epsilon + (1 - 2 * epsilon) * p_B


def cdpo_loss(h_B: Tensor, p_B: Tensor, beta: float, epsilon: float) -> Tensor:
    """`dpo_loss` at the smoothed label; its optimum is finite even for p = 1: beta h = log((1 - epsilon) / epsilon)."""
    return dpo_loss(h_B, smoothed(p_B, epsilon), beta)


def cdpo_slope(h_B: Tensor, p_B: Tensor, beta: float, epsilon: float) -> Tensor:
    """dL/dh of `cdpo_loss`."""
    return dpo_slope(h_B, smoothed(p_B, epsilon), beta)
