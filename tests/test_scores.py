"""Scores against gold: by hand, against a plain resampling of prompts, and against what LLMBar's authors published."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.length_slope import length_slope
from judge.order_scores import llmbar_statistics, order_scores
from judge.resampling import Floats, Score, mean_score, share_score
from judge.scores import accuracy, brier, calibration_error, kappa, log_loss, sigmoid
from reports.text import score_text

P = [0.9, 0.8, 0.6, 0.3, 0.5]
GOLD = [1, 0, 1, 0, 1]


def verdicts(folder: Path, swapped: bool) -> list[float]:
    rows = json.loads((folder / "natural-vanilla-result.json").read_text())
    return [float(row["results"][0][f"swap = {swapped}"]["winner"] == "1") for row in rows]


def gold_of(folder: Path) -> list[float]:
    return [float(row["label"] == 1) for row in json.loads((folder / "natural-vanilla-result.json").read_text())]


def a_judge(n: int, seed: int = 0, temperature: float = 1.0) -> tuple[Floats, Floats]:
    """Logits `temperature` times too large for the outcomes that come with them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, n)
    return logits * temperature, (generator.random(n) < sigmoid(logits)).astype(float)


@pytest.mark.parametrize("judge", ["ChatGPT", "LLaMA2"])
def test_every_figure_that_llmbars_authors_published(shared_data: Path, judge: str) -> None:
    folder = shared_data / "llmbar" / "recorded" / judge
    published = json.loads((folder / "natural-vanilla-statistics.json").read_text())
    found = llmbar_statistics(verdicts(folder, False), verdicts(folder, True), gold_of(folder))
    assert found == published
    ours = order_scores(verdicts(folder, False), verdicts(folder, True), gold_of(folder))
    assert f"{100 * (ours.accuracy.value or 0)}%" == published["correct_average"]
    assert ours.kappa_between.value == pytest.approx(published["kappa_agreement"], abs=1e-12)
    assert (ours.kappa_ab.value or 0) > 0.5 > 2 * published["kappa_False"], "their coding of the second response"


def test_a_pair_without_a_verdict_is_wrong_and_agrees_with_nothing() -> None:
    found = order_scores([1, math.nan, 0, 0.5], [1, math.nan, 1, 0.5], [1, 1, 1, 1])
    assert (found.accuracy_ab.value, found.accuracy_ba.value, found.accuracy.value) == (0.375, 0.625, 0.5)
    assert (found.both_right.value, found.agreement.value) == (0.25, 0.25)


def test_a_kappa_over_one_verdict_is_none_and_can_be_stored() -> None:
    found = llmbar_statistics([0.9] * 4, [0.8] * 4, [1] * 4)
    assert found["kappa_agreement"] is found["kappa_False"] is found["kappa_average"] is None
    assert found["correct_both"] == "4 / 4 = 100.0%"


def test_by_hand() -> None:
    assert accuracy(P, GOLD).value == pytest.approx((1 + 0 + 1 + 1 + 0.5) / 5)
    assert brier(P, GOLD).value == pytest.approx((0.01 + 0.64 + 0.16 + 0.09 + 0.25) / 5)
    losses = [-math.log(0.9), -math.log(0.2), -math.log(0.6), -math.log(0.7), math.log(2)]
    assert log_loss([math.log(p / (1 - p)) for p in P], GOLD).value == pytest.approx(sum(losses) / 5)
    assert kappa([1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15).value == pytest.approx(0.4)


def test_calibration_error_by_hand() -> None:
    """Two slices of width 1/4: confidences 0.6, 0.7, 0.5 with 1, 1, 1/2 right; 0.9, 0.8 with 1, 0 right."""
    found = calibration_error(P, GOLD, bins=2, binning="equal_width")
    assert [(b.n, b.accuracy.value) for b in found.bins] == [(3, pytest.approx(2.5 / 3)), (2, 0.5)]
    assert found.score.value == pytest.approx((abs(1.8 - 2.5) + abs(1.7 - 1)) / 5)
    by_mass = calibration_error(P, GOLD, bins=5)
    assert [b.n for b in by_mass.bins] == [1] * 5
    assert by_mass.score.value == pytest.approx((0 + 0.4 + 0.3 + 0.8 + 0.1) / 5)


def test_gold_that_prefers_neither_does_not_count_as_a_decision() -> None:
    assert accuracy([0.9, 0.9], [1, 0.5]).n == 1
    assert brier([0.5], [0.5]).value == 0
    assert accuracy([], []).value is None
    assert calibration_error([], []).score.n == 0


@given(st.randoms(use_true_random=False), st.integers(20, 60))
@settings(max_examples=15, deadline=None)
def test_neither_the_order_of_pairs_nor_the_names_of_responses_or_prompts_matter(random: object, n: int) -> None:
    logits, gold = a_judge(n, seed=n)
    clusters = [f"prompt {i % 7}" for i in range(n)]
    order = np.random.default_rng(random.randrange(2**31)).permutation(n)  # type: ignore[attr-defined]
    renamed = [clusters[i].replace("prompt", "zebra") for i in order]

    def scores(logits: Floats, gold: Floats, clusters: list[str]) -> list[Score]:
        p = sigmoid(logits)
        found = [score(p, gold, clusters) for score in (accuracy, brier, kappa)]
        return [*found, log_loss(logits, gold, clusters), calibration_error(p, gold, clusters).score]

    assert scores(logits, gold, clusters) == scores(logits[order], gold[order], renamed)
    for one, two in zip(scores(logits, gold, clusters), scores(-logits, 1 - gold, clusters), strict=True):
        assert one.value == pytest.approx(two.value, abs=1e-12)


def test_the_cluster_bootstrap_is_drawing_prompts_with_all_their_pairs() -> None:
    generator = np.random.default_rng(3)
    groups = [
        generator.normal(centre, 0.3, size)
        for centre, size in zip(generator.normal(size=30), [1, 2, 6] * 10, strict=True)
    ]
    values, names = np.concatenate(groups), [f"p{i}" for i, group in enumerate(groups) for _ in group]
    drawn = [np.concatenate([groups[i] for i in generator.integers(30, size=30)]).mean() for _ in range(4000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = mean_score(values, names)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))
    alone = mean_score(values)
    assert (found.high or 0) - (found.low or 0) > 1.3 * ((alone.high or 0) - (alone.low or 0))


def test_a_share_has_wilsons_interval_and_is_never_certain() -> None:
    """Newcombe 1998, table I: 81 of 263. All right on two prompts is two successes, however many pairs."""
    found = share_score(np.array([1.0] * 81 + [0.0] * 182))
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=3e-4), pytest.approx(0.3662, abs=3e-4))
    assert share_score(np.ones(40), ["one", "two"] * 20).low == pytest.approx(0.342, abs=1e-3)


def test_intervals_cover_at_about_their_rate() -> None:
    """200 judges of 60 prompts with 4 pairs each, pairs of one prompt alike: coverage of the true mean."""
    hits = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        rates = np.repeat(generator.beta(4, 2, 60), 4)
        found = share_score((generator.random(240) < rates).astype(float), list(np.repeat(np.arange(60), 4)))
        hits += (found.low or 0) <= 4 / 6 <= (found.high or 0)
    assert 180 <= hits <= 199


def test_a_calibrated_judge_is_told_from_an_over_confident_one() -> None:
    calibrated = calibration_error(sigmoid(a_judge(2000)[0]), a_judge(2000)[1])
    assert (calibrated.score.value or 1) < (calibrated.if_calibrated_high or 0) < 0.05
    logits, gold = a_judge(2000, temperature=3)
    sure = calibration_error(sigmoid(logits), gold)
    assert (sure.score.low or 0) > (sure.if_calibrated_high or 1)
    assert sure.bins[-1].confidence > (sure.bins[-1].accuracy.high or 1)


def test_length_slope_is_the_one_that_was_planted() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=4000)
    gold = (generator.random(4000) < sigmoid(2 * x)).astype(float)
    verdict = (generator.random(4000) < sigmoid(0.8 * x + 1.2 * (2 * gold - 1))).astype(float)
    beyond = length_slope(verdict, x, gold=gold)
    assert (beyond.low or 9) < 0.8 < (beyond.high or 0)
    assert (length_slope(verdict, x).low or 0) > 0.8, "gold itself likes length here"
    turned = length_slope(1 - verdict, -x, gold=1 - gold)
    assert turned.value == pytest.approx(beyond.value, abs=1e-9)


def test_a_judge_that_always_takes_the_longer_one_has_a_finite_slope() -> None:
    x = np.linspace(-1, 1, 41)
    always = length_slope((x > 0).astype(float), x)
    assert 3 < (always.value or 0) < 200
    assert (always.low or 0) > 2
    assert length_slope([0.9, 0.1, 0.8], [0.0, 0.0, 0.0]).value is None
    assert length_slope([0.9], [1.0]).value is None


def test_ten_thousand_pairs_take_about_a_second() -> None:
    logits, gold = a_judge(10_000)
    began = time.process_time()
    log_loss(logits, gold)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("score", [brier, lambda p, gold, names: log_loss(np.log(p / (1 - p)), gold, names)])
def test_of_one_prompt_no_score_has_an_interval(score: Callable[..., Score]) -> None:
    """Every draw of one prompt is that prompt: the interval would have no width, whatever the pairs say."""
    p, gold = np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0])
    alone = score(p, gold, ["one"] * 3)
    assert (alone.value, alone.low, alone.high, alone.n, alone.clusters) == (
        pytest.approx(score(p, gold, ["one", "one", "two"]).value),
        None,
        None,
        3,
        1,
    )
    assert score(p, gold, ["one", "one", "two"]).low is not None
    assert score_text(alone, share=False, digits=2).endswith(" (no interval: one prompt), n = 3")


def test_nor_has_the_calibration_error() -> None:
    found = calibration_error(np.array([0.9, 0.2, 0.6]), np.array([1.0, 0.0, 0.0]), ["one"] * 3).score
    assert found.value is not None
    assert (found.low, found.high, found.clusters) == (None, None, 1)
    assert mean_score(np.array([0.3]), None).low is None
