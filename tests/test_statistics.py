"""Intervals, detectable effects and Holm's correction against hand-computed values and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.statistics import NO_WIDTH, holm, p_value, paired_bootstrap, smallest_detectable

VALUES_P = np.array([0.1, -0.2, 0.4, 0.3, 0.0, 0.5, 0.25, -0.1])


def test_the_interval_covers_the_truth_as_often_as_it_claims() -> None:
    """400 data sets of 40 prompts with a known mean: the share covered is 90 % within three Monte-Carlo errors.

    BCa on 40 values is known to fall short by 1 to 2 points, so that much is allowed below.
    """
    rng = np.random.default_rng(7)
    runs, truth, level = 400, 0.3, 0.9
    covered = 0
    for run in range(runs):
        interval = paired_bootstrap(rng.gamma(2.0, truth / 2.0, size=40), 400, level, seed=run)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= truth <= interval.high
    error = math.sqrt(level * (1 - level) / runs)
    assert level - 0.02 - 3 * error <= covered / runs <= level + 3 * error


def test_the_interval_of_a_near_normal_mean_is_the_textbook_one() -> None:
    values_P = np.random.default_rng(0).normal(1.0, 2.0, size=400)
    interval = paired_bootstrap(values_P, 4000, 0.95, seed=1)
    error = values_P.std(ddof=1) / math.sqrt(400)
    assert interval.estimate == pytest.approx(values_P.mean())
    assert interval.method == "bca"
    assert interval.low == pytest.approx(values_P.mean() - 1.96 * error, abs=0.1 * error)
    assert interval.high == pytest.approx(values_P.mean() + 1.96 * error, abs=0.1 * error)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(len(VALUES_P))))
def test_the_order_of_the_prompts_changes_nothing(order: list[int]) -> None:
    expected = paired_bootstrap(VALUES_P, 200, 0.95, seed=3)
    assert paired_bootstrap(VALUES_P[order], 200, 0.95, seed=3) == expected


def test_the_seed_decides_the_resamples() -> None:
    same = [paired_bootstrap(VALUES_P, 200, 0.95, seed=s) for s in (1, 1, 2)]
    assert same[0] == same[1]
    assert same[0] != same[2]


def test_a_skewed_sample_gets_a_skewed_interval() -> None:
    """What BCa is for: with a long right tail the upper arm is the longer one."""
    values_P = np.array([0.0] * 30 + [1.0, 2.0, 8.0])
    interval = paired_bootstrap(values_P, 5000, 0.95, seed=0)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.high - interval.estimate > 1.5 * (interval.estimate - interval.low)


def test_equal_values_give_an_interval_without_width_that_says_so() -> None:
    interval = paired_bootstrap(np.full(6, 0.1) + 0.2, 200, 0.95, seed=0)
    assert interval.low == interval.high == interval.estimate == pytest.approx(0.3)
    assert interval.method == "percentile"
    assert interval.note == NO_WIDTH


def test_one_prompt_has_an_estimate_and_no_interval() -> None:
    interval = paired_bootstrap(np.array([0.7]), 200, 0.95, seed=0)
    assert (interval.estimate, interval.low, interval.high, interval.n) == (0.7, None, None, 1)
    assert interval.method == "none"


def test_the_smallest_detectable_effect_by_hand() -> None:
    """Deviation of [0, 0, 1, 1] is sqrt(1/3), its error half of that; (1.959964 + 0.841621) times 0.288675."""
    assert smallest_detectable(np.array([0.0, 0.0, 1.0, 1.0]), 0.95) == pytest.approx(2.801585 * 0.288675, abs=1e-5)
    assert smallest_detectable(np.full(5, 0.5), 0.95) is None
    assert smallest_detectable(np.array([0.5]), 0.95) is None


def test_the_detectable_effect_is_found_in_four_of_five_experiments() -> None:
    rng = np.random.default_rng(11)
    n, runs = 50, 2000
    effect = smallest_detectable(rng.normal(0, 1, size=100_000), 0.95)
    assert effect is not None
    effect *= math.sqrt(100_000 / n)
    found = sum((p_value(rng.normal(effect, 1, size=n), 0.0) or 1.0) < 0.05 for _ in range(runs))
    assert found / runs == pytest.approx(0.8, abs=0.035)


def test_p_values_by_hand() -> None:
    """t of [1, 2, 3] against 0 is 2 sqrt 3, with 2 degrees of freedom: p = 1 - t / sqrt(t^2 + 2) = 0.0742."""
    t = 2 * math.sqrt(3)
    assert p_value(np.array([1.0, 2.0, 3.0]), 0.0) == pytest.approx(1 - t / math.sqrt(t * t + 2))
    assert p_value(np.full(5, 0.9), 0.5) == pytest.approx(2 / 32)
    assert p_value(np.full(5, 0.5), 0.5) == 1.0
    assert p_value(np.array([0.9]), 0.5) is None


def test_holm_by_hand() -> None:
    """Holm's own scheme: 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.04 * 1, which may not fall below the ones before."""
    adjusted = holm({"c": 0.03, "a": 0.01, "unmeasured": None, "d": 0.04, "b": 0.02})
    assert adjusted == {
        "a": pytest.approx(0.04),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
        "d": pytest.approx(0.06),
        "unmeasured": None,
    }
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
