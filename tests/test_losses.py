"""Losses against golden values, their derivatives against autograd, and their split over the principles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.losses import Scores, margins, pair_loss, share_coefficients
from train.losses.dpo import dpo_loss
from train.losses.ipo import ipo_loss
from train.losses.kto import kto_loss
from train.losses.orpo import log_odds, orpo_loss
from train.settings import TrainSettings

DPO = TrainSettings(loss="dpo", beta=0.1)
CDPO = TrainSettings(loss="cdpo", beta=0.1, label_smoothing=0.1)
ROBUST = TrainSettings(loss="robust", beta=0.1, label_smoothing=0.1)
IPO = TrainSettings(loss="ipo", tau=0.1)
IPO_MEAN = TrainSettings(loss="ipo", tau=0.1, ipo_length="mean")
HINGE = TrainSettings(loss="hinge", beta=0.1)
SIMPO = TrainSettings(loss="simpo", simpo_beta=2.0, simpo_gamma=1.0)
ORPO = TrainSettings(loss="orpo", orpo_lambda=0.1)
KTO = TrainSettings(loss="kto", beta=0.1)
OF_MARGIN = [DPO, CDPO, ROBUST, IPO, IPO_MEAN, HINGE, SIMPO]
NAMES = ["dpo", "cdpo", "robust", "ipo", "ipo-mean", "hinge", "simpo"]
# log pi - log pi_ref of a and b for log pi (-10, -14) and log pi_ref (-11, -13); answers of 5 and 8 tokens.
LENGTHS = torch.tensor([[5, 8]])
RATIOS = Scores(torch.tensor([[1.0, -1.0]], dtype=torch.float64), LENGTHS)
LOGPS = Scores(torch.tensor([[-10.0, -14.0]], dtype=torch.float64), LENGTHS)

margin = st.floats(-60, 60)
probability = st.floats(0, 1)


def loss_at(settings: TrainSettings, h: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """The loss of answers of one token whose scores differ by h."""
    scores = Scores(torch.stack((h, torch.zeros_like(h)), 1), torch.ones(len(h), 2))
    return pair_loss(settings).value(scores, p)


def slope_at(settings: TrainSettings, h: float, p: float) -> float:
    slope = pair_loss(settings).slope
    assert slope is not None
    return slope(at(h), at(p)).item()


def at(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize(
    ("settings", "scores", "p", "loss"),
    [
        (DPO, RATIOS, 1.0, 0.598139),
        (DPO, RATIOS, 0.9, 0.618139),
        (DPO, RATIOS, 0.7, 0.658139),
        (CDPO, RATIOS, 1.0, 0.618139),
        (ROBUST, RATIOS, 1.0, 0.573139),
        (HINGE, RATIOS, 1.0, 0.8),
        (IPO, RATIOS, 1.0, 9.0),
        (IPO, RATIOS, 0.8, 1.0),
        (IPO_MEAN, RATIOS, 1.0, 21.855625),
        # Average log-probabilities -2 and -1.75, so h = -0.25: log(1 + e^{1.5}).
        (SIMPO, LOGPS, 1.0, 1.701413),
        (SIMPO, LOGPS, 0.0, 0.974077),
        # Odds e^-2 / (1 - e^-2) and e^-1.75 / (1 - e^-1.75): log odds ratio -0.295473, plus the mean nll of a, 2.
        (ORPO, LOGPS, 1.0, 2.085176),
        # sigma(0.1) = 0.524979 for both answers: 2 (1 - 0.524979).
        (KTO, RATIOS, 1.0, 0.950042),
        (KTO, RATIOS._replace(baseline=1.0), 1.0, 0.950166),
    ],
)
def test_golden_values(settings: TrainSettings, scores: Scores, p: float, loss: float) -> None:
    assert pair_loss(settings).value(scores, at(p)).item() == pytest.approx(loss, abs=5e-7)


@pytest.mark.parametrize(("settings", "slope"), [(DPO, -0.0450166), (IPO, -6.0)])
def test_golden_derivatives(settings: TrainSettings, slope: float) -> None:
    assert slope_at(settings, 2.0, 1.0) == pytest.approx(slope, abs=5e-8)


def test_published_margin_six() -> None:
    """Values reported for beta 0.1 and h = 6 by an independent implementation."""
    assert dpo_loss(at(6.0), at(1.0), 0.1).item() == pytest.approx(0.437488, abs=5e-7)
    assert slope_at(DPO, 6.0, 1.0) == pytest.approx(-0.035434, abs=5e-7)
    assert loss_at(HINGE, at(6.0), at(1.0)).item() == pytest.approx(0.4)
    assert slope_at(HINGE, 6.0, 1.0) == pytest.approx(-0.1)
    assert ipo_loss(at(6.0), at(1.0), 0.1).item() == pytest.approx(1.0)
    assert slope_at(IPO, 6.0, 1.0) == pytest.approx(2.0)


def test_margins_are_summed_or_averaged() -> None:
    assert margins(RATIOS, averaged=False).item() == pytest.approx(2.0)
    assert margins(RATIOS, averaged=True).item() == pytest.approx(0.325)


def test_what_each_loss_reads() -> None:
    every = [pair_loss(settings) for settings in (*OF_MARGIN, ORPO, KTO)]
    assert [loss.name for loss in every if loss.averaged] == ["ipo (mean)", "simpo", "orpo"]
    assert [loss.name for loss in every if not loss.reference] == ["simpo", "orpo"]
    assert [loss.name for loss in every if loss.singles] == ["kto"]
    assert [loss.name for loss in every if loss.slope is None] == ["orpo", "kto"]


@given(p=probability, beta=st.floats(0.01, 5))
def test_dpo_starts_at_ln_2_for_every_label(p: float, beta: float) -> None:
    assert dpo_loss(at(0.0), at(p), beta).item() == pytest.approx(math.log(2))


@given(p=probability, tau=st.floats(0.01, 5))
def test_ipo_starts_at_its_squared_target(p: float, tau: float) -> None:
    assert ipo_loss(at(0.0), at(p), tau).item() == pytest.approx((2 * p - 1) ** 2 / (4 * tau**2))


@given(h=margin, p=probability)
@pytest.mark.parametrize("settings", OF_MARGIN, ids=NAMES)
def test_swapping_the_answers_changes_only_the_sign(settings: TrainSettings, h: float, p: float) -> None:
    swapped, plain = loss_at(settings, at(-h), at(1 - p)), loss_at(settings, at(h), at(p))
    assert swapped.item() == pytest.approx(plain.item(), abs=1e-9)
    assert slope_at(settings, -h, 1 - p) == pytest.approx(-slope_at(settings, h, p), abs=1e-9)


@given(h=margin, p=probability)
@pytest.mark.parametrize("settings", OF_MARGIN, ids=NAMES)
def test_slope_is_the_derivative(settings: TrainSettings, h: float, p: float) -> None:
    h_B = at(h).requires_grad_()
    loss_at(settings, h_B, at(p)).sum().backward()
    assert h_B.grad is not None
    # Beyond 20 torch's softplus is the straight line, so that its own derivative is off by up to e^-20 = 2.1e-9.
    assert slope_at(settings, h, p) == pytest.approx(h_B.grad.item(), abs=5e-9)


@given(h=margin, p=probability)
@pytest.mark.parametrize("settings", [DPO, CDPO, ROBUST, HINGE, SIMPO], ids=["dpo", "cdpo", "robust", "hinge", "simpo"])
def test_soft_labels_are_the_expectation_over_the_label(settings: TrainSettings, h: float, p: float) -> None:
    first, second = (loss_at(settings, at(h), at(hard)).item() for hard in (1.0, 0.0))
    assert loss_at(settings, at(h), at(p)).item() == pytest.approx(p * first + (1 - p) * second, abs=1e-9)


scores = st.lists(st.floats(-20, -0.01), min_size=2, max_size=2)


@given(scores, probability, st.floats(0, 3))
def test_orpo_and_kto_are_the_expectation_over_the_label_too(values: list[float], p: float, z: float) -> None:
    given_scores = Scores(torch.tensor([values], dtype=torch.float64), LENGTHS, z)
    for settings in (ORPO, KTO):
        loss = pair_loss(settings)
        first, second = (loss.value(given_scores, at(hard)).item() for hard in (1.0, 0.0))
        assert loss.value(given_scores, at(p)).item() == pytest.approx(p * first + (1 - p) * second, abs=1e-9)


@given(scores, st.floats(0, 3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_kto_of_a_pair_is_that_of_its_two_answers(values: list[float], z: float, up: float, down: float) -> None:
    def loss(changes: list[float], lengths: list[int], p: float) -> float:
        given_scores = Scores(torch.tensor([changes], dtype=torch.float64), torch.tensor([lengths]), z)
        return kto_loss(given_scores, at(p), 0.1, up, down).item()

    a, b = values
    singles = loss([a, 0.0], [5, 0], 1.0) + loss([b, 0.0], [8, 0], 0.0)
    assert loss([a, b], [5, 8], 1.0) == pytest.approx(singles, abs=1e-9)
    up_alone = up * (1 - 1 / (1 + math.exp(-0.1 * (a - z))))
    assert loss([a, 0.0], [5, 0], 1.0) == pytest.approx(up_alone, abs=1e-9)


def test_a_certain_answer_has_finite_odds() -> None:
    logp = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert 10 < log_odds(logp).item() < 20
    certain = Scores(torch.zeros(1, 2, dtype=torch.float64), LENGTHS)
    assert orpo_loss(certain, at(1.0), 0.1).isfinite().all()


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
@given(h=margin)
def test_robust_dpo_is_unbiased_under_flips(epsilon: float, h: float) -> None:
    """The mean over labels flipped with probability epsilon is DPO on the true label."""
    settings = TrainSettings(loss="robust", beta=0.1, label_smoothing=epsilon)
    right, wrong = (loss_at(settings, at(h), at(p)).item() for p in (1.0, 0.0))
    assert (1 - epsilon) * right + epsilon * wrong == pytest.approx(dpo_loss(at(h), at(1.0), 0.1).item(), abs=1e-9)


@given(h=margin, p=probability)
def test_soft_labels_are_the_expected_hard_loss(h: float, p: float) -> None:
    hard_dpo = p * dpo_loss(at(h), at(1.0), 0.1) + (1 - p) * dpo_loss(at(h), at(0.0), 0.1)
    assert dpo_loss(at(h), at(p), 0.1).item() == pytest.approx(hard_dpo.item(), abs=1e-9)
    hard_ipo = p * ipo_loss(at(h), at(1.0), 0.1) + (1 - p) * ipo_loss(at(h), at(0.0), 0.1)
    constant = (1 - (2 * p - 1) ** 2) / (4 * 0.1**2)
    assert ipo_loss(at(h), at(p), 0.1).item() == pytest.approx((hard_ipo - constant).item(), abs=1e-9)


@given(st.floats(0.02, 0.98), st.floats(0.05, 2))
def test_optimum_of_dpo_is_the_labels_log_odds(p: float, beta: float) -> None:
    best = math.log(p / (1 - p)) / beta
    assert slope_at(TrainSettings(beta=beta), best, p) == pytest.approx(0, abs=1e-9)


@given(st.lists(st.tuples(margin, st.lists(st.tuples(st.floats(0.01, 9), probability), min_size=4, max_size=4))))
@pytest.mark.parametrize("settings", OF_MARGIN, ids=NAMES)
def test_shares_add_up_to_the_whole(
    settings: TrainSettings, pairs: list[tuple[float, list[tuple[float, float]]]]
) -> None:
    slope = pair_loss(settings).slope
    assert slope is not None
    h_B = torch.tensor([h for h, _ in pairs], dtype=torch.float64)
    raw_B_K = torch.tensor([[weight for weight, _ in votes] for _, votes in pairs], dtype=torch.float64).view(-1, 4)
    p_B_K = torch.tensor([[p for _, p in votes] for _, votes in pairs], dtype=torch.float64).view(-1, 4)
    weights_B_K = raw_B_K / raw_B_K.sum(1, keepdim=True)
    parts_B_K = share_coefficients(slope, h_B, p_B_K, weights_B_K)
    whole_B = slope(h_B, (weights_B_K * p_B_K).sum(1))
    torch.testing.assert_close(parts_B_K.sum(1), whole_B, rtol=0, atol=1e-9)
