"""The preference losses as pure functions of the margin h and the label p, and their split over the principles.

h = (log pi(a) - log pi_ref(a)) - (log pi(b) - log pi_ref(b)); p is the probability that a is better. Both
derivatives dL/dh are affine in p, so at p = sum_k w_k p_k each is the same weighted sum of its values at the p_k: see
`share_coefficients`.

Shapes: B pairs, K principles, 2 the answers a and b.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus

from train.settings import TrainSettings

Slope = Callable[[Tensor, Tensor], Tensor]


def dpo_loss(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """-p log sigma(beta h) - (1-p) log sigma(-beta h) = log(1 + e^{beta h}) - p beta h; ln 2 at h = 0 whatever p is.

    Rafailov et al. 2023 (arXiv 2305.18290), eq. 7, is p = 1; soft labels are the cross-entropy of the same
    Bradley-Terry probability (there called conservative DPO, with p = 1 - epsilon).
    """
    return softplus(beta * h_B) - p_B * beta * h_B


def dpo_slope(h_B: Tensor, p_B: Tensor, beta: float) -> Tensor:
    """dL/dh of `dpo_loss`: beta (sigma(beta h) - p)."""
    return beta * ((beta * h_B).sigmoid() - p_B)


def ipo_loss(h_B: Tensor, p_B: Tensor, tau: float) -> Tensor:
    """(h - (2p-1)/(2 tau))^2: Azar et al. 2023 (arXiv 2310.12036), eq. 17, is p = 1.

    For soft labels it equals the expectation of eq. 17 over the label, p (h - 1/2tau)^2 + (1-p) (h + 1/2tau)^2, up to a
    constant that does not depend on h.
    """
    return (h_B - (2 * p_B - 1) / (2 * tau)).square()


def ipo_slope(h_B: Tensor, p_B: Tensor, tau: float) -> Tensor:
    """dL/dh of `ipo_loss`: 2 (h - (2p-1)/(2 tau))."""
    return 2 * (h_B - (2 * p_B - 1) / (2 * tau))


class PairLoss(NamedTuple):
    """A configured loss: its value and its derivative as functions of (h, p), and the units of h."""

    value: Callable[[Tensor, Tensor], Tensor]
    slope: Slope
    averaged: bool
    name: str


def pair_loss(settings: TrainSettings) -> PairLoss:
    """The loss that the run file names."""
    if settings.loss == "dpo":
        return PairLoss(partial(dpo_loss, beta=settings.beta), partial(dpo_slope, beta=settings.beta), False, "dpo")
    averaged = settings.ipo_length == "mean"
    name = f"ipo ({settings.ipo_length})"
    return PairLoss(partial(ipo_loss, tau=settings.tau), partial(ipo_slope, tau=settings.tau), averaged, name)


def margins(changes_B_2: Tensor, lengths_B_2: Tensor, averaged: bool) -> Tensor:
    """h of each pair [B] from log pi - log pi_ref of its answers, each over its length in tokens if `averaged`."""
    per_answer_B_2 = changes_B_2 / lengths_B_2 if averaged else changes_B_2
    return per_answer_B_2[:, 0] - per_answer_B_2[:, 1]


def share_coefficients(slope: Slope, h_B: Tensor, p_B_K: Tensor, weights_B_K: Tensor) -> Tensor:
    """w_k c_k [B, K], where c_k is dL/dh with the principle's own p_k for a label.

    Both losses' slopes are affine in p and a pair's weights add up to 1, so the sum over K is exactly dL/dh of the
    whole label; times dh it is the principle's part of the pair's gradient. A principle that did not vote has weight 0.
    """
    return weights_B_K * slope(h_B[:, None], p_B_K)
