"""Labels: symmetries, exact re-aggregation, and the choice of pairs against a slow oracle."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.interface import Judge, Showing
from judge.labels import (
    Missing,
    Preference,
    label_pair,
    oriented,
    preference,
    relabel,
    select_best_worst,
    weighted_mean,
)
from judge.records import Label, Share, Vote
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt, a_vote, llm_judge, rules_judge

PAIR = a_pair("one answer", "another answer")
SWAPPED = Pair(prompt=PAIR.prompt, a=PAIR.b, b=PAIR.a)
LOGITS = st.floats(-8, 8)
VIEWS = st.tuples(LOGITS, LOGITS) | st.none()
"""One principle's logits in the orders ab and ba, or a failed vote."""
Views = list[tuple[float, float] | None]


class Case(NamedTuple):
    """A constitution, and each principle's view of PAIR."""

    constitution: Constitution
    views: Views


@st.composite
def constitutions(draw: st.DrawFn) -> Case:
    views = draw(st.lists(VIEWS, min_size=1, max_size=7))
    weights = [1.0, *draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 7.0]), min_size=6, max_size=6))]
    principles = [Principle(id=f"p{i}", text=f"Text {i}.", weight=weights[i]) for i in range(len(views))]
    band = draw(st.sampled_from([0.0, 0.05]))
    constitution = a_constitution(principles, min_coverage=draw(st.sampled_from([0.0, 0.5, 1.0])), abstain_band=band)
    return Case(constitution, views)


def votes_on(judge: Judge, pair: Pair, constitution: Constitution, views: Views) -> dict[str, tuple[Vote, ...]]:
    return {
        principle.id: tuple(
            a_vote(judge, pair, principle, order, None if view is None else view[order == "ba"])
            for order, _ in judge.showings(principle)
        )
        for principle, view in zip(constitution.principles, views, strict=True)
    }


def test_both_orders_combine_in_logit_space() -> None:
    judge = llm_judge(a_constitution())
    ab, ba = (a_vote(judge, PAIR, PRINCIPLES[0], order, x) for order, x in (("ab", 3.0), ("ba", 1.0)))
    found = preference([ab, ba], judge.showings(PRINCIPLES[0]))
    assert found == Preference(1.0, 2.0)  # leans to `a` by 1, to whatever is first by 2
    assert found.p == pytest.approx(0.7310585786300049, abs=1e-15)


def test_a_purely_positional_judge_has_no_preference() -> None:
    judge = llm_judge(a_constitution())
    votes = [a_vote(judge, PAIR, PRINCIPLES[0], order, 5.0) for order in ("ab", "ba")]
    assert preference(votes, judge.showings(PRINCIPLES[0])) == Preference(0.0, 5.0)


def test_half_an_answer_is_none() -> None:
    judge = llm_judge(a_constitution())
    valid = a_vote(judge, PAIR, PRINCIPLES[0], "ab", 2.0)
    failed = a_vote(judge, PAIR, PRINCIPLES[0], "ba", None)
    assert preference([valid, failed], judge.showings(PRINCIPLES[0])) == Missing("failed: invalid_json")
    assert preference([valid], judge.showings(PRINCIPLES[0])) == Missing("not_asked")
    abstained = Vote(request=failed.request, state="abstain", reason="cannot_say")
    assert preference([valid, abstained], judge.showings(PRINCIPLES[0])) == Missing("abstain: cannot_say")


def test_one_order_has_no_position_bias() -> None:
    judge = rules_judge(a_constitution())
    assert preference([a_vote(judge, PAIR, PRINCIPLES[0], "ab", 2.0)], judge.showings(PRINCIPLES[0])) == Preference(
        2.0, None
    )
    assert preference([a_vote(judge, PAIR, PRINCIPLES[0], "ba", 2.0)], (Showing("ba"),)) == Preference(-2.0, None)


def test_a_label_by_hand() -> None:
    """Weights 2, 1, 1; p = 1/2, sigma(ln 3) = 3/4, 1/4: 1/2 (1/2) + 1/4 (3/4) + 1/4 (1/4) = 1/2; then without one."""
    principles = [p.model_copy(update={"scope": ()}) for p in PRINCIPLES[:3]]
    constitution = a_constitution(principles)
    judge = llm_judge(constitution)
    views: Views = [(0.0, 0.0), (math.log(3), -math.log(3)), (-math.log(3), math.log(3))]
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, views), constitution, judge)
    assert (label.p, label.reason) == (None, "undecided")
    views[2] = None
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, views), constitution, judge)
    assert label.p == pytest.approx(2 / 3 * 1 / 2 + 1 / 3 * 3 / 4, abs=1e-15)
    assert label.missing == (("no-filler", "failed: invalid_json"),)


def test_reasons_for_no_label() -> None:
    only_long = [PRINCIPLES[0].model_copy(update={"scope": ("long",)})]
    cases = {
        "no_principle_applies": (a_constitution(only_long), []),
        "coverage": (a_constitution(PRINCIPLES[:2]), [None, (1.0, -1.0)]),  # a third of the weight
        "undecided": (a_constitution(PRINCIPLES[:1], abstain_band=0.1), [(0.3, -0.3)]),
    }
    for reason, (constitution, views) in cases.items():
        judge = llm_judge(constitution)
        votes = votes_on(judge, PAIR, constitution, views) if views else {}
        assert label_pair(PAIR, votes, constitution, judge).reason == reason


def test_rounding_of_weights_decides_nothing() -> None:
    """49 equal weights of 1/49 do not sum to 1 in floating point; a pair nobody has a view on stays undecided."""
    principles = [Principle(id=f"p{i}", text=f"Text {i}.", weight=0.1) for i in range(49)]
    constitution = a_constitution(principles)
    judge = llm_judge(constitution)
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, [(0.0, 0.0)] * 49), constitution, judge)
    assert label.reason == "undecided"


def test_a_principle_without_weight_is_kept_out_of_the_label_and_in_the_shares() -> None:
    constitution = a_constitution([PRINCIPLES[1], PRINCIPLES[3].model_copy(update={"scope": ()})])
    judge = llm_judge(constitution)
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, [(1.0, -1.0), (-5.0, 5.0)]), constitution, judge)
    assert [(share.principle, share.weight) for share in label.shares] == [("no-lists", 1.0), ("no-loops", 0.0)]
    assert label.p == label.shares[0].p


@settings(deadline=None)
@given(constitutions(), st.randoms(use_true_random=False))
def test_the_order_of_principles_changes_nothing(case: Case, random: Random) -> None:
    constitution, views = case
    judge = llm_judge(constitution)
    votes = votes_on(judge, PAIR, constitution, views)
    shuffled = list(constitution.principles)
    random.shuffle(shuffled)
    turned = constitution.model_copy(update={"principles": tuple(shuffled)})
    assert label_pair(PAIR, votes, turned, judge) == label_pair(PAIR, votes, constitution, judge)


@settings(deadline=None)
@given(constitutions())
def test_swapping_the_pair_turns_the_label(case: Case) -> None:
    constitution, views = case
    judge = llm_judge(constitution)
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, views), constitution, judge)
    turned_views = [None if view is None else (view[1], view[0]) for view in views]
    turned = label_pair(SWAPPED, votes_on(judge, SWAPPED, constitution, turned_views), constitution, judge)
    assert turned.missing == label.missing
    for share, other in zip(label.shares, turned.shares, strict=True):
        assert other.p == pytest.approx(1 - share.p, abs=1e-12)
        assert other.position_bias == share.position_bias
    if label.p is None or turned.p is None:  # at the very edge of the abstain band, rounding may decide
        assert label.reason == turned.reason or 0.449 < weighted_mean(label.shares) < 0.551
        return
    assert turned.p == pytest.approx(1 - label.p, abs=1e-12)
    assert oriented(turned, SWAPPED).chosen == oriented(label, PAIR).chosen


@settings(deadline=None)
@given(constitutions())
def test_labels_are_exactly_what_their_shares_say(case: Case) -> None:
    constitution, views = case
    judge = llm_judge(constitution)
    label = label_pair(PAIR, votes_on(judge, PAIR, constitution, views), constitution, judge)
    read_back = Label.model_validate_json(label.model_dump_json())
    assert read_back == label
    if label.p is not None:
        assert weighted_mean(read_back.shares) == label.p
    assert relabel(label, constitution) == label


@settings(deadline=None)
@given(constitutions(), st.data())
def test_leaving_a_principle_out_needs_no_vote(case: Case, data: st.DataObject) -> None:
    constitution, views = case
    judge = llm_judge(constitution)
    votes = votes_on(judge, PAIR, constitution, views)
    label = label_pair(PAIR, votes, constitution, judge)
    left_out = data.draw(st.sampled_from([p.id for p in constitution.principles]))
    others = tuple(p.model_copy(update={"weight": p.weight + 0.5}) for p in constitution.principles if p.id != left_out)
    if not others:
        return
    smaller = constitution.model_copy(update={"principles": others})
    assert relabel(label, smaller) == label_pair(PAIR, votes, smaller, judge)


def label_of(pair: Pair, p: float | None) -> Label:
    shares = () if p is None else (Share(principle="x", weight=1.0, p=p),)
    reason = "undecided" if p is None else None
    return Label(
        pair_key=pair.key, constitution="c", judge="j", rule="weighted_mean", p=p, reason=reason, shares=shares
    )


def test_oriented_puts_the_better_response_first() -> None:
    label = label_of(PAIR, 0.25)
    found = oriented(label, PAIR)
    assert (found.chosen, found.rejected, found.p) == (PAIR.b, PAIR.a, 0.75)
    assert found.shares == (Share(principle="x", weight=1.0, p=0.75),)
    kept = oriented(label_of(PAIR, 0.75), PAIR)
    assert (kept.chosen, kept.rejected, kept.p) == (PAIR.a, PAIR.b, 0.75)
    with pytest.raises(AssertionError):
        oriented(label_of(PAIR, None), PAIR)


@st.composite
def judged_prompts(draw: st.DrawFn) -> tuple[list[Pair], list[Label]]:
    """All pairs of 2 to 5 answers to each of 2 prompts, some undecided; ties are frequent."""
    pairs = []
    for name in ("x", "y"):
        prompt, n = a_prompt(name), draw(st.integers(2, 5))
        pairs += [a_pair(f"answer {i}", f"answer {j}", prompt) for i in range(n) for j in range(i)]
    values = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
    return pairs, [label_of(pair, draw(values)) for pair in pairs]


def slow_best_pair(pairs: list[Pair], labels: list[Label]) -> str | None:
    """Look at every ordered couple of responses of one prompt."""
    decided = [(pair, label.p) for pair, label in zip(pairs, labels, strict=True) if label.p is not None]
    wins: dict[str, list[float]] = {}
    for pair, p in decided:
        wins.setdefault(pair.a.key, []).append(p)
        wins.setdefault(pair.b.key, []).append(1 - p)
    mean = {key: math.fsum(found) / len(found) for key, found in wins.items()}
    best: tuple[float, str, str] | None = None
    for better in sorted(mean):
        for worse in sorted(mean):
            ahead = mean[better] > mean[worse] or (mean[better] == mean[worse] and better < worse)
            there = any({pair.a.key, pair.b.key} == {better, worse} for pair, _ in decided)
            if ahead and there and (best is None or mean[better] - mean[worse] > best[0]):
                best = (mean[better] - mean[worse], better, worse)
    if best is None:
        return None
    return next(pair.key for pair, _ in decided if {pair.a.key, pair.b.key} == set(best[1:]))


@settings(deadline=None)
@given(judged_prompts())
def test_best_worst_against_a_slow_oracle(case: tuple[list[Pair], list[Label]]) -> None:
    pairs, labels = case
    selected = select_best_worst(pairs, labels)
    expected = set()
    for key in {pair.prompt.key for pair in pairs}:
        rows = [(pair, label) for pair, label in zip(pairs, labels, strict=True) if pair.prompt.key == key]
        expected.add(slow_best_pair([row[0] for row in rows], [row[1] for row in rows]))
    assert {label.pair_key for label in selected if label.p is not None} == expected - {None}
    for before, after in zip(labels, selected, strict=True):
        if after.p is not None or before.p is None:
            assert after == before
        else:
            assert (after.reason, after.shares) == ("not_selected", before.shares)


def test_best_worst_by_hand() -> None:
    """w beats x and y, z loses to all; (w, z) itself is undecided, so the next contrast is taken."""
    names, results = "wxyz", {"wx": 0.9, "wy": 0.9, "wz": None, "xy": 0.5625, "xz": 0.7, "yz": 0.8}
    pairs = [a_pair(names[i], names[j]) for i in range(4) for j in range(i + 1, 4)]
    labels = [label_of(pair, results[pair.a.text + pair.b.text]) for pair in pairs]
    # scores: w 0.9; x (0.1 + 0.5625 + 0.7) / 3 = 0.454; y (0.1 + 0.4375 + 0.8) / 3 = 0.446; z (0.3 + 0.2) / 2 = 0.25
    selected = select_best_worst(pairs, labels)
    assert [pair.a.text + pair.b.text for pair, label in zip(pairs, selected, strict=True) if label.p is not None] == [
        "wy"
    ]
    assert Counter(label.reason or "labelled" for label in selected) == {
        "labelled": 1,
        "undecided": 1,
        "not_selected": 4,
    }
