"""Losses against golden values, their derivatives against autograd, and their split over the principles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from train.losses import dpo_loss, ipo_loss, margins, pair_loss, share_coefficients
from train.settings import TrainSettings

DPO = TrainSettings(loss="dpo", beta=0.1)
IPO = TrainSettings(loss="ipo", tau=0.1)
IPO_MEAN = TrainSettings(loss="ipo", tau=0.1, ipo_length="mean")
# log pi - log pi_ref of a and b for log pi (-10, -14) and log pi_ref (-11, -13); answers of 5 and 8 tokens.
CHANGES = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
LENGTHS = torch.tensor([[5, 8]])

margin = st.floats(-60, 60)
probability = st.floats(0, 1)


def at(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize(
    ("settings", "p", "loss"),
    [
        (DPO, 1.0, 0.598139),
        (DPO, 0.9, 0.618139),
        (DPO, 0.7, 0.658139),
        (IPO, 1.0, 9.0),
        (IPO, 0.8, 1.0),
        (IPO_MEAN, 1.0, 21.855625),
    ],
)
def test_golden_values(settings: TrainSettings, p: float, loss: float) -> None:
    found = pair_loss(settings)
    h = margins(CHANGES, LENGTHS, found.averaged)
    assert found.value(h, at(p)).item() == pytest.approx(loss, abs=5e-7)


@pytest.mark.parametrize(("settings", "slope"), [(DPO, -0.0450166), (IPO, -6.0)])
def test_golden_derivatives(settings: TrainSettings, slope: float) -> None:
    assert pair_loss(settings).slope(at(2.0), at(1.0)).item() == pytest.approx(slope, abs=5e-8)


def test_published_margin_six() -> None:
    """Values reported for beta 0.1 and h = 6 by an independent implementation."""
    assert dpo_loss(at(6.0), at(1.0), 0.1).item() == pytest.approx(0.437488, abs=5e-7)
    assert pair_loss(DPO).slope(at(6.0), at(1.0)).item() == pytest.approx(-0.035434, abs=5e-7)
    assert ipo_loss(at(6.0), at(1.0), 0.1).item() == pytest.approx(1.0)


def test_margins_are_summed_or_averaged() -> None:
    assert margins(CHANGES, LENGTHS, averaged=False).item() == pytest.approx(2.0)
    assert margins(CHANGES, LENGTHS, averaged=True).item() == pytest.approx(0.325)


def test_only_averaged_ipo_divides_by_length() -> None:
    assert [pair_loss(settings).averaged for settings in (DPO, IPO, IPO_MEAN)] == [False, False, True]
    assert pair_loss(IPO_MEAN).name == "ipo (mean)"


@given(p=probability, beta=st.floats(0.01, 5))
def test_dpo_starts_at_ln_2_for_every_label(p: float, beta: float) -> None:
    assert dpo_loss(at(0.0), at(p), beta).item() == pytest.approx(math.log(2))


@given(p=probability, tau=st.floats(0.01, 5))
def test_ipo_starts_at_its_squared_target(p: float, tau: float) -> None:
    assert ipo_loss(at(0.0), at(p), tau).item() == pytest.approx((2 * p - 1) ** 2 / (4 * tau**2))


@given(h=margin, p=probability)
@pytest.mark.parametrize("settings", [DPO, IPO])
def test_swapping_the_answers_changes_only_the_sign(settings: TrainSettings, h: float, p: float) -> None:
    loss = pair_loss(settings)
    assert loss.value(at(-h), at(1 - p)).item() == pytest.approx(loss.value(at(h), at(p)).item(), abs=1e-9)
    assert loss.slope(at(-h), at(1 - p)).item() == pytest.approx(-loss.slope(at(h), at(p)).item(), abs=1e-9)


@given(h=margin, p=probability)
@pytest.mark.parametrize("settings", [DPO, IPO])
def test_slope_is_the_derivative(settings: TrainSettings, h: float, p: float) -> None:
    h_B = at(h).requires_grad_()
    pair_loss(settings).value(h_B, at(p)).sum().backward()
    assert h_B.grad is not None
    assert pair_loss(settings).slope(at(h), at(p)).item() == pytest.approx(h_B.grad.item(), abs=1e-9)


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
    assert pair_loss(TrainSettings(beta=beta)).slope(at(best), at(p)).item() == pytest.approx(0, abs=1e-9)


@given(st.lists(st.tuples(margin, st.lists(st.tuples(st.floats(0.01, 9), probability), min_size=4, max_size=4))))
@pytest.mark.parametrize("settings", [DPO, IPO, IPO_MEAN])
def test_shares_add_up_to_the_whole(
    settings: TrainSettings, pairs: list[tuple[float, list[tuple[float, float]]]]
) -> None:
    loss = pair_loss(settings)
    h_B = torch.tensor([h for h, _ in pairs], dtype=torch.float64)
    raw_B_K = torch.tensor([[weight for weight, _ in votes] for _, votes in pairs], dtype=torch.float64).view(-1, 4)
    p_B_K = torch.tensor([[p for _, p in votes] for _, votes in pairs], dtype=torch.float64).view(-1, 4)
    weights_B_K = raw_B_K / raw_B_K.sum(1, keepdim=True)
    parts_B_K = share_coefficients(loss.slope, h_B, p_B_K, weights_B_K)
    whole_B = loss.slope(h_B, (weights_B_K * p_B_K).sum(1))
    torch.testing.assert_close(parts_B_K.sum(1), whole_B, rtol=0, atol=1e-9)
