"""The loss that the run file names, as one value that the training step can call whatever it is.

Shapes: B pairs, K principles, 2 the answers a and b.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor

from train.losses.dpo import cdpo_loss, cdpo_slope, dpo_loss, dpo_slope
from train.losses.hinge import hinge_loss, hinge_slope
from train.losses.ipo import ipo_loss, ipo_slope
from train.losses.kto import kto_loss
from train.losses.orpo import orpo_loss
from train.losses.robust import robust_loss, robust_slope
from train.losses.scores import Scores, margins
from train.losses.simpo import simpo_loss, simpo_slope
from train.settings import TrainSettings

Curve = Callable[..., Tensor]
Slope = Callable[[Tensor, Tensor], Tensor]


class PairLoss(NamedTuple):
    """A configured loss. `value` [B] is in nats (IPO: squared) an item, `slope` is dL/dh as a function of (h, p).

    `slope` is None where the loss is no function of h. `averaged`: h is in nats a token. `reference`: scores are
    log-ratios. `singles`: it takes single answers, adds up over an item's answers, and needs the baseline z.
    """

    name: str
    value: Callable[[Scores, Tensor], Tensor]
    slope: Slope | None
    averaged: bool = False
    reference: bool = True
    singles: bool = False


def pair_loss(settings: TrainSettings) -> PairLoss:
    """The loss that the run file names."""
    return LOSSES[settings.loss](settings)


def _of_margin(name: str, value: Curve, slope: Curve, averaged: bool, reference: bool, **given: float) -> PairLoss:
    def of_scores(scores: Scores, p_B: Tensor) -> Tensor:
        return value(margins(scores, averaged), p_B, **given)

    return PairLoss(name, of_scores, partial(slope, **given), averaged, reference)


def _dpo(settings: TrainSettings) -> PairLoss:
    return _of_margin("dpo", dpo_loss, dpo_slope, False, True, beta=settings.beta)


def _cdpo(settings: TrainSettings) -> PairLoss:
    given = {"beta": settings.beta, "epsilon": settings.label_smoothing}
    return _of_margin("cdpo", cdpo_loss, cdpo_slope, False, True, **given)


def _robust(settings: TrainSettings) -> PairLoss:
    given = {"beta": settings.beta, "epsilon": settings.label_smoothing}
    return _of_margin("robust", robust_loss, robust_slope, False, True, **given)


def _ipo(settings: TrainSettings) -> PairLoss:
    name = f"ipo ({settings.ipo_length})"
    return _of_margin(name, ipo_loss, ipo_slope, settings.ipo_length == "mean", True, tau=settings.tau)


def _hinge(settings: TrainSettings) -> PairLoss:
    return _of_margin("hinge", hinge_loss, hinge_slope, False, True, beta=settings.beta)


def _simpo(settings: TrainSettings) -> PairLoss:
    given = {"beta": settings.simpo_beta, "gamma": settings.simpo_gamma}
    return _of_margin("simpo", simpo_loss, simpo_slope, True, False, **given)


def _orpo(settings: TrainSettings) -> PairLoss:
    return PairLoss("orpo", partial(orpo_loss, weight=settings.orpo_lambda), None, averaged=True, reference=False)


def _kto(settings: TrainSettings) -> PairLoss:
    up, down = settings.desirable_weight, settings.undesirable_weight
    value = partial(kto_loss, beta=settings.beta, desirable=up, undesirable=down)
    return PairLoss("kto", value, None, singles=True)


LOSSES: dict[str, Callable[[TrainSettings], PairLoss]] = {
    "dpo": _dpo,
    "cdpo": _cdpo,
    "robust": _robust,
    "ipo": _ipo,
    "hinge": _hinge,
    "simpo": _simpo,
    "orpo": _orpo,
    "kto": _kto,
}


def share_coefficients(slope: Slope, h_B: Tensor, p_B_K: Tensor, weights_B_K: Tensor) -> Tensor:
    """w_k c_k [B, K], where c_k is dL/dh with the principle's own p_k for a label.

    Every slope here is affine in p and a pair's weights add up to 1, so the sum over K is exactly dL/dh of the whole
    label; times dh it is the principle's part of the pair's gradient. A principle that did not vote has weight 0.
    """
    return weights_B_K * slope(h_B[:, None], p_B_K)
