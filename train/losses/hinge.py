"""The hinge loss of SLiC on DPO's margin. The slope is affine in p: exact shares.

Shapes: B pairs (or any shape: all is elementwise).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu


def hinge_loss(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """p max(0, 1 - beta h) + (1-p) max(0, 1 + beta h); 1 at h = 0 whatever p is.

    Zhao et al. 2023 (arXiv 2305.10425), with log-ratios to the reference as in Liu et al. 2023 (arXiv 2309.06657), is
    p = 1. With 0 < p < 1 the optimum is beta h = 1 or -1, whichever the label leans to.
    """
    return p_B * relu(1 - beta * h_B) + (1 - p_B) * relu(1 + beta * h_B)


def hinge_slope(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """dL/dh of `hinge_loss`: -beta p where beta h < 1, plus beta (1-p) where beta h > -1; 0 at the kinks themselves."""
    return beta * ((1 - p_B) * (beta * h_B > -1) - p_B * (beta * h_B < 1))
