"""IPO. The slope is affine in p: a pair's gradient splits exactly into its principles' shares.

h is summed over the answers' tokens (the paper's text) or averaged over them (TRL): nats a sequence or nats a token, so
a tau is never to be carried over from one to the other.

Shapes: B pairs (or any shape: all is elementwise).
"""

from __future__ import annotations

from torch import Tensor


def ipo_loss(h_B: Tensor, p_B: Tensor, tau: float) -> Tensor:
    """(h - (2p-1)/(2 tau))^2: Azar et al. 2023 (arXiv 2310.12036), eq. 17, is p = 1.

    For soft labels it equals the expectation of eq. 17 over the label, p (h - 1/2tau)^2 + (1-p) (h + 1/2tau)^2, up to a
    constant that does not depend on h.
    """
    return (h_B - (2 * p_B - 1) / (2 * tau)).square()


def ipo_slope(h_B: Tensor, p_B: Tensor, tau: float) -> Tensor:
    """dL/dh of `ipo_loss`: 2 (h - (2p-1)/(2 tau))."""
    return 2 * (h_B - (2 * p_B - 1) / (2 * tau))
