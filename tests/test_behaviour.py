"""Behaviour before and after: a case counted by hand, a slow oracle, and the rules for what is missing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from generate.records import Prompt, Response
from reports.behaviour import BehaviourTable, behaviour_table
from reports.features import FEATURES
from reports.settings import BehaviourSettings
from reports.summary import headline, principle_sentence

SETTINGS = BehaviourSettings(samples=2, resamples=400)


def prompts(n: int) -> list[Prompt]:
    return [Prompt(id=f"q{i}", prompt=f"Question {i}?") for i in range(n)]


def answers(prompt: Prompt, texts: Sequence[str]) -> list[Response]:
    return [
        Response(
            prompt_key=prompt.key, text=text, finish="stop", tokens=len(text.split()), sampler="s", seed=0, index=i
        )
        for i, text in enumerate(texts)
    ]


def by_key(asked: list[Prompt], texts: list[list[str]]) -> dict[str, list[Response]]:
    return {prompt.key: answers(prompt, each) for prompt, each in zip(asked, texts, strict=True)}


def test_a_small_case_counted_by_hand() -> None:
    """q0: 0.9 and identical (0.5, although the judge said 0.1): 0.7. q1: failed and 0.8: 0.8. q2: both failed: not a
    prompt of this row. q3 is out of scope. Win rate (0.7 + 0.8) / 2 = 0.75 on 2 prompts, 3 comparisons.
    """
    asked = prompts(4)
    before = by_key(asked, [["one two three", "same"], ["a b", "c d"], ["e", "f"], ["g", "h"]])
    after = by_key(asked, [["one", "same"], ["a", "c"], ["e f", "f e"], ["g", "h i j k"]])
    judged = {asked[0].key: [0.9, 0.1], asked[1].key: [None, 0.8], asked[2].key: [None, None]}
    table = behaviour_table(asked, before, after, {"brief": judged}, SETTINGS, seed=0)
    row = table.principles[0]
    assert row.win_rate is not None
    assert row.win_rate.estimate == pytest.approx(0.75)
    assert (row.win_rate.n, row.comparisons, row.identical, row.failed) == (2, 3, 1, 3)
    words = next(row for row in table.features if row.id == "words")
    assert words.before == pytest.approx((2 + 2 + 1 + 1) / 4)
    assert words.after == pytest.approx((1 + 1 + 2 + 2.5) / 4)
    assert words.difference.estimate == pytest.approx(words.after - words.before)
    assert words.difference.n == 4


def random_case(seed: int, n: int = 30, lean: float = 0.0) -> BehaviourTable:
    rng = random.Random(seed)
    asked = prompts(n)
    before = by_key(asked, [[f"{rng.random()} was" for _ in range(2)] for _ in asked])
    after = by_key(asked, [[f"{rng.random()} is" for _ in range(2)] for _ in asked])
    judged = {p.key: [min(1.0, max(0.0, rng.gauss(0.5 + lean, 0.2))) for _ in range(2)] for p in asked}
    return behaviour_table(asked, before, after, {"brief": judged}, SETTINGS, seed=seed)


@pytest.mark.parametrize(("lean", "outcome"), [(0.3, "intended"), (-0.3, "against"), (0.0, "undetected")])
def test_the_verdict_is_where_the_whole_interval_lies(lean: float, outcome: str) -> None:
    row = random_case(4, lean=lean).principles[0]
    assert row.outcome == outcome
    assert row.win_rate is not None
    assert row.win_rate.low is not None
    assert row.win_rate.high is not None
    sides = {"intended": row.win_rate.low > 0.5, "against": row.win_rate.high < 0.5}
    assert sides.get(outcome, row.win_rate.low <= 0.5 <= row.win_rate.high)


def one_of(count: int) -> BehaviourTable:
    """0.65 on eight prompts and 0.4 on two: mean 0.6, s^2 = (8 x 0.05^2 + 2 x 0.2^2) / 9 = 1/90, t = 0.1 / sqrt(1/900)
    = 3 at 9 degrees of freedom, p = 0.01496. Beside it `count` - 1 principles that no prompt moves."""
    asked = prompts(10)
    before, after = by_key(asked, [["a", "b"]] * 10), by_key(asked, [["c", "d"]] * 10)
    judged = {"lean": {p.key: [0.4 if i in (2, 5) else 0.65] * 2 for i, p in enumerate(asked)}}
    judged |= {f"still-{i}": {p.key: [0.5, 0.5] for p in asked} for i in range(count - 1)}
    return behaviour_table(asked, before, after, judged, SETTINGS, seed=0)


def test_a_principle_moved_only_where_the_adjusted_p_agrees() -> None:
    alone, among = one_of(1).principles[0], one_of(5).principles[0]
    assert alone.win_rate == among.win_rate
    assert alone.win_rate is not None
    assert alone.win_rate.excludes(0.5)
    assert alone.p == pytest.approx(0.014956, abs=1e-6)
    assert [one_of(count).principles[0].outcome for count in (2, 3, 4, 5)] == ["intended"] * 2 + ["undetected"] * 2
    assert (alone.outcome, alone.p_holm, alone.verdict) == ("intended", alone.p, "moved as intended")
    assert (among.outcome, among.p_holm) == ("undetected", pytest.approx(5 * alone.p))
    assert among.verdict.startswith("no detectable effect; an effect of at least ")
    why = 'its own interval excludes "no change", but with all principles tested together that may be chance '
    why += "(p = 0.075 after Holm's adjustment)"
    assert among.verdict.endswith(f"would have been detected; {why}")
    assert headline(one_of(5)).startswith("None of 5 principles moved as intended, none moved against; for 5 no effect")
    assert why[1:] in principle_sentence(among)
    assert "may be chance" not in principle_sentence(alone)


def test_what_was_not_found_says_what_would_have_been() -> None:
    row = random_case(4).principles[0]
    assert row.detectable is not None
    assert row.verdict == (
        f"no detectable effect; an effect of at least {100 * row.detectable:.1f} percentage points "
        "would have been detected"
    )


def test_two_samples_of_the_same_model_seldom_differ() -> None:
    """30 experiments without any effect at level 0.95: about 1 or 2 claims, more than 6 once in a thousand times."""
    claims = sum(random_case(seed).principles[0].outcome != "undetected" for seed in range(30))
    assert claims <= 6


def test_features_agree_with_a_slow_count() -> None:
    rng = random.Random(5)
    asked = prompts(12)
    vocabulary = ["I", "can't", "-", "list", "list", "list", "\n- item", "my", "Boil"]
    texts = [[[" ".join(rng.choices(vocabulary, k=8)) for _ in range(2)] for _ in asked] for _ in "ab"]
    before, after = (by_key(asked, each) for each in texts)
    table = behaviour_table(asked, before, after, {}, SETTINGS, seed=0)
    for feature, row in zip(FEATURES, table.features, strict=True):
        total = 0.0
        for prompt in asked:
            for sample in range(2):
                total += feature.measure(after[prompt.key][sample]) - feature.measure(before[prompt.key][sample])
        assert row.difference.estimate == pytest.approx(total / 24, abs=1e-12)


def test_nothing_judged_is_unmeasured_and_not_even() -> None:
    asked = prompts(3)
    before, after = by_key(asked, [["a", "b"]] * 3), by_key(asked, [["c", "d"]] * 3)
    table = behaviour_table(asked, before, after, {"x": {p.key: [None, None] for p in asked}}, SETTINGS, seed=0)
    row = table.principles[0]
    assert (row.win_rate, row.outcome, row.failed, row.comparisons) == (None, "unmeasured", 6, 0)


@pytest.mark.parametrize(("n", "outcome"), [(5, "undetected"), (6, "intended")])
def test_an_interval_without_width_needs_the_sign_test(n: int, outcome: str) -> None:
    """Five prompts on one side happen by chance in 2/32 of cases, six in 2/64: only the latter is below 5 %."""
    asked = prompts(n)
    before, after = by_key(asked, [["a", "b"]] * n), by_key(asked, [["c", "d"]] * n)
    table = behaviour_table(asked, before, after, {"x": {p.key: [0.9, 0.9] for p in asked}}, SETTINGS, seed=0)
    assert table.principles[0].outcome == outcome
    assert table.principles[0].win_rate is not None
    assert "no width" in table.principles[0].win_rate.note


def test_an_untouched_model_is_even_everywhere() -> None:
    asked = prompts(8)
    same = by_key(asked, [[f"{i}", f"{i} {i}"] for i in range(8)])
    table = behaviour_table(asked, same, same, {"x": {p.key: [None, None] for p in asked}}, SETTINGS, seed=0)
    row = table.principles[0]
    assert row.win_rate is not None
    assert (row.win_rate.estimate, row.identical, row.failed, row.outcome) == (0.5, 16, 0, "undetected")
    assert all(row.outcome == "undetected" for row in table.features)


def test_the_order_of_prompts_and_principles_changes_no_interval() -> None:
    rng = random.Random(1)
    asked = prompts(10)
    before, after = by_key(asked, [["a", "b"]] * 10), by_key(asked, [["c", "d d"]] * 10)
    judged = {name: {p.key: [rng.random(), rng.random()] for p in asked} for name in ("x", "y")}
    one = behaviour_table(asked, before, after, judged, SETTINGS, seed=0)
    turned = {name: judged[name] for name in ("y", "x")}
    other = behaviour_table(asked[::-1], before, after, turned, SETTINGS, seed=0)
    assert {row.id: row for row in one.principles} == {row.id: row for row in other.principles}


def test_holm_counts_every_principle() -> None:
    rng = random.Random(2)
    asked = prompts(10)
    before, after = by_key(asked, [["a", "b"]] * 10), by_key(asked, [["c", "d"]] * 10)
    judged = {f"p{i}": {p.key: [rng.random(), rng.random()] for p in asked} for i in range(4)}
    rows = behaviour_table(asked, before, after, judged, SETTINGS, seed=0).principles
    least = min(rows, key=lambda row: row.p or 1.0)
    assert least.p is not None
    assert least.p_holm == pytest.approx(min(1.0, 4 * least.p))
