"""The mathematics of the ablation report against figures worked out by hand and slow oracles."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.ablation.behaviours import by_prompt
from reports.ablation.effects import effects, hierarchical_draws, spread
from reports.ablation.shapley import design, exact_design, fitted_design, subset_errors

PLAYERS = ("a", "b", "c", "d")


def subsets(players: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(one) for size in range(len(players) + 1) for one in combinations(players, size)]


def test_one_seed_is_students_t_over_prompts() -> None:
    """1, 2, 3, 6: mean 3, deviation sqrt(14/3), error sqrt(7/6), t(3) at 97.5 % is 3.1824."""
    (found,) = effects([np.array([[1.0, 2.0, 3.0, 6.0]])], 4, 2000, 0.95, 0)
    assert found.estimate == 3
    assert found.low is not None
    assert found.high is not None
    error = (7 / 6) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 3.182446 * error, rel=1e-5)
    assert found.high - 3 > 3 - found.low, "the values lean upwards"
    assert found.p == pytest.approx(stats.ttest_1samp([1, 2, 3, 6], 0).pvalue)
    assert found.detectable == pytest.approx((3.182446 + 0.978472) * error, rel=1e-5)


def test_the_two_way_error_by_hand() -> None:
    """Rows 1 2 3 and 5 6 10: seeds' means 2 and 7, prompts' 3, 4, 6.5; by Cornfield and Tukey's mean squares."""
    table = np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 10.0]])
    a = 12.5 / 2
    b = ((3 - 4.5) ** 2 + (4 - 4.5) ** 2 + (6.5 - 4.5) ** 2) / 2 / 3
    rest = np.array([[0.5, 0.5, -1.0], [-0.5, -0.5, 1.0]])
    e = (rest**2).sum() / 2 / 6
    found = spread(table)
    assert found.error == pytest.approx((a + b - e) ** 0.5)
    assert found.freedom == pytest.approx((a + b - e) ** 2 / (a**2 / 1 + b**2 / 2 + e**2 / 2))


def test_the_error_is_unbiased() -> None:
    """Drawn from known variances, the squared error is the mean's variance on average."""
    draw, seeds, prompts = np.random.default_rng(1), 4, 12
    squares, means = [], []
    for _ in range(4000):
        table = (
            0.8 * draw.normal(size=(seeds, 1))
            + 1.5 * draw.normal(size=(1, prompts))
            + draw.normal(size=(seeds, prompts))
        )
        squares.append(spread(table).error ** 2)
        means.append(table.mean())
    truth = 0.64 / seeds + 2.25 / prompts + 1 / (seeds * prompts)
    assert np.var(means) == pytest.approx(truth, rel=0.06)
    assert np.mean(squares) == pytest.approx(truth, rel=0.04)


def test_draws_are_of_seeds_and_prompts_and_the_same_for_all_tables() -> None:
    tables = np.array([[[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]], [[2.0, 2.0, 2.0], [6.0, 6.0, 6.0]]])
    drawn = hierarchical_draws(tables, 500, 3)
    np.testing.assert_allclose(drawn[1], 2 * drawn[0])
    np.testing.assert_allclose(sorted(set(drawn[0].round(9))), [1.0, 2.0, 3.0])


def test_an_effect_of_nothing_is_nothing() -> None:
    (found,) = effects([np.zeros((2, 5))], 5, 200, 0.95, 0)
    assert (found.estimate, found.low, found.high, found.p, found.detectable) == (0, 0, 0, 1, None)
    (alone,) = effects([np.array([[1.0], [2.0]])], 1, 200, 0.95, 0)
    assert (alone.estimate, alone.low, alone.p) == (1.5, None, None)


def test_pairs_become_prompts_without_moving_the_mean() -> None:
    """Prompt x has 1 and 3, y has 8: the pairs' mean is 4, whatever the prompts' means are."""
    found = by_prompt(np.array([[1.0, 3.0, 8.0]]), ["x", "x", "y"])
    np.testing.assert_allclose(found, [[4 + (1 - 4 + 3 - 4) * 2 / 3, 4 + (8 - 4) * 2 / 3]])
    assert found.mean() == pytest.approx(4)
    np.testing.assert_allclose(by_prompt(np.array([[5.0, 1.0]]), ["y", "x"]), [[1.0, 5.0]])


@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16))
@settings(deadline=None)
def test_exact_shapley_is_the_mean_over_all_orders(values: list[float]) -> None:
    sets = subsets(PLAYERS)
    outcome = dict(zip(sets, values, strict=True))
    found = exact_design(PLAYERS)
    phi = found.matrix_K_M @ np.array([outcome[one] for one in found.sets])
    orders = list(permutations(PLAYERS))
    for player, value in zip(PLAYERS, phi, strict=True):
        gains = []
        for order in orders:
            before = frozenset(order[: order.index(player)])
            gains.append(outcome[before | {player}] - outcome[before])
        assert value == pytest.approx(sum(gains) / len(orders), abs=1e-9)
    assert sum(phi) == pytest.approx(outcome[frozenset(PLAYERS)] - outcome[frozenset()], abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16))
@settings(deadline=None)
def test_least_squares_over_all_sets_is_exact_too(values: list[float]) -> None:
    """Lundberg and Lee 2017, theorem 2; the two ways to it have nothing in common."""
    sets = subsets(PLAYERS)
    outcome = dict(zip(sets, values, strict=True))
    exact, fitted = exact_design(PLAYERS), fitted_design(PLAYERS, sets)
    assert fitted is not None
    wanted = exact.matrix_K_M @ np.array([outcome[one] for one in exact.sets])
    found = fitted.matrix_K_M @ np.array([outcome[one] for one in fitted.sets])
    np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_least_squares_of_a_sum_is_that_sum_with_no_error() -> None:
    worth = {"a": 1.0, "b": -2.0, "c": 0.5, "d": 4.0}
    sets = [frozenset(one) for one in ("", "abcd", "abc", "abd", "acd", "bcd", "a", "bd", "cd")]
    found = design(PLAYERS, sets)
    assert found is not None
    assert not found.exact
    outcome = {one: 3 + sum(worth[player] for player in one) for one in sets}
    phi = found.matrix_K_M @ np.array([outcome[one] for one in found.sets])
    np.testing.assert_allclose(phi, [worth[player] for player in PLAYERS])
    assert max(subset_errors(found, PLAYERS, outcome)) < 1e-9
    assert design(PLAYERS, sets[:6]) is None, "leave-one-out sets alone do not tell"
    assert design(PLAYERS, sets[1:]) is None, "without the empty set there is no whole change to divide"


def test_the_subset_error_is_about_the_spread_over_draws_of_subsets() -> None:
    """A game with interactions, many draws of subsets: the reported error against the spread of the estimates."""
    players = tuple("abcdef")
    draw = np.random.default_rng(5)
    noise = dict(zip(subsets(players), draw.normal(size=64), strict=True))
    outcome = {one: 2.0 * len(one) + noise[one] for one in noise}
    ends = [frozenset(), frozenset(players)]
    pool = [one for one in outcome if 0 < len(one) < 6]
    estimates, errors = [], []
    for _ in range(300):
        sets = [*ends, *(pool[i] for i in draw.permutation(len(pool))[:20])]
        found = design(players, sets)
        assert found is not None
        estimates.append(found.matrix_K_M @ np.array([outcome[one] for one in found.sets]))
        errors.append(subset_errors(found, players, outcome))
    ratio = np.mean(errors, axis=0) / np.std(estimates, axis=0)
    assert ratio.min() > 0.7
    assert ratio.max() < 2.5
