"""The report against simulated ablations whose effects are known; the benchmark at full size prints more of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ablation_truth import Rate, figures, rate, sham_false_positive_rate
from benchmarks.ablation_world import HELD_OUT, TRAINED, make_world, simulated, theta, true_effects, unit_margin
from judge.label_sets import training_labels

SIMULATIONS = 30


@pytest.fixture(scope="module")
def found() -> dict[str, Rate]:
    return figures(SIMULATIONS, seed=11)


@pytest.mark.parametrize("what", ["planted_found", "sham_covers_zero", "duplicate_right", "interval_covers_truth"])
def test_what_is_there_is_found_and_what_is_not_is_not(found: dict[str, Rate], what: str) -> None:
    """95 % are the least; of a true 95 %, 26 of 30 or fewer come about with probability 0.06."""
    assert found[what].rate >= 0.9
    assert found[what].high > 0.95


@pytest.mark.parametrize("what", ["false_find", "false_find_without_any_effect"])
def test_a_report_finds_what_is_not_there_in_one_of_twenty_at_most(found: dict[str, Rate], what: str) -> None:
    """5 of 30 or more would come about with probability 0.016 at 5 %."""
    assert found[what].n == SIMULATIONS
    assert found[what].rate * SIMULATIONS < 5


def test_the_shams_rate_is_a_rate_of_its_own() -> None:
    again = sham_false_positive_rate(20, seed=2)
    assert again == sham_false_positive_rate(20, seed=2)
    assert again.n == 20
    assert again.low <= again.rate <= again.high
    assert again.rate * 20 < 4
    # With one seed the coin is thrown once for each pair: students' t over prompts, at its nominal level.
    alone = sham_false_positive_rate(60, seed=3, seeds=1)
    assert alone.rate * 60 < 9


def test_a_broken_interval_would_be_seen() -> None:
    """The truth by another way: the mean of many held-out pairs, not the formula."""
    evidence = simulated(5, 1, learns=True)
    world = make_world(5, learns=True)
    truth = true_effects(world, evidence.plan)
    whole, without = (
        theta(world, training_labels(world.labels, world.constitution, variant.label_set))
        for variant in (evidence.plan.variants[0], evidence.plan.variants[1])
    )
    features = np.random.default_rng(0).normal(size=(400_000, 4))
    features[:, 2] = features[:, 1]
    margins = np.tanh(features) * (features @ (whole - without))[:, None]
    for column, principle in enumerate(("wanted", "twin-a", "twin-b", "idle")):
        assert margins[:, column].mean() == pytest.approx(truth["without wanted", principle], abs=2e-3)
    assert truth["without wanted", "wanted"] > 0.05
    assert truth["without wanted", "idle"] == 0
    assert unit_margin() == pytest.approx(float((np.tanh(features[:, 0]) * features[:, 0]).mean()), abs=3e-3)
    assert len(world.labels) == TRAINED + HELD_OUT


def test_a_rate_by_hand() -> None:
    """Wilson's interval of 8 of 10: 0.490 to 0.943."""
    found = rate([True] * 8 + [False] * 2)
    assert found[:2] == (0.8, 10)
    assert found.low == pytest.approx(0.47, abs=0.03)
    assert found.high == pytest.approx(0.943, abs=0.02)
