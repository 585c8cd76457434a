"""The aggregation rules by hand, their symmetries, and that a label can be made again from its shares."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.calibration import applied
from judge.interface import Judge
from judge.labels import label_pair, oriented, relabel, select_best_worst
from judge.records import Label, Vote
from tests.judging import a_constitution, a_pair, a_prompt, a_vote, cooled, llm_judge

PAIR = a_pair("one answer", "another answer")
SWAPPED = Pair(prompt=PAIR.prompt, a=PAIR.b, b=PAIR.a)
IDS = ("first", "second", "third")
Leanings = list[float | None]
"""One logit for `a` a principle, the same in both orders; None: the vote failed."""


def law(weights: tuple[float, ...] = (2.0, 1.0, 1.0), **aggregation: object) -> Constitution:
    principles = [Principle(id=i, text=f"Text {i}.", weight=w) for i, w in zip(IDS, weights, strict=False)]
    return a_constitution(principles, **aggregation)


def votes(judge: Judge, pair: Pair, constitution: Constitution, leanings: Leanings) -> dict[str, tuple[Vote, ...]]:
    return {
        principle.id: tuple(
            a_vote(judge, pair, principle, order, None if x is None else x if order == "ab" else -x)
            for order, _ in judge.showings(principle)
        )
        for principle, x in zip(constitution.principles, leanings, strict=True)
    }


def labelled(constitution: Constitution, leanings: Leanings, pair: Pair = PAIR) -> Label:
    judge = llm_judge(constitution)
    return label_pair(pair, votes(judge, pair, constitution, leanings), constitution, judge)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_majority_counts_weight_not_confidence() -> None:
    found = labelled(law(rule="majority"), [0.01, -5.0, -5.0])
    assert (found.p, found.reason) == (None, "undecided")  # 2 against 1 + 1
    assert labelled(law((2.0, 1.0, 0.5), rule="majority"), [0.01, -5.0, -5.0]).p == pytest.approx(2 / 3.5)
    assert labelled(law(rule="majority"), [1.0, 0.0, -1.0]).p == pytest.approx((2 + 0.5) / 4)
    assert labelled(law(rule="majority"), [None, 1.0, 1.0]).p == 1.0
    assert labelled(law(rule="majority", min_coverage=0.6), [None, 1.0, 1.0]).reason == "coverage"


def test_priority_lets_the_first_that_is_sure_decide() -> None:
    constitution = law(rule="priority", priority=["second", "first", "third"], margin=0.1)
    found = labelled(constitution, [-3.0, 3.0, -3.0])
    assert (found.p, found.decided_by, found.rule) == (pytest.approx(0.9525741268), ("second",), "priority")
    unsure = labelled(constitution, [logit(0.3), logit(0.59), 3.0])
    assert (unsure.p, unsure.decided_by) == (pytest.approx(0.3), ("first",))
    assert labelled(constitution, [0.1, 0.1, 0.1]).reason == "undecided"
    assert labelled(constitution, [3.0, None, 3.0]).reason == "coverage", "the missing vote might have decided"
    assert labelled(constitution, [None, 3.0, None]).decided_by == ("second",)


def test_a_veto_overrules_all_others_where_it_is_sure() -> None:
    constitution = law(rule="veto", veto=["third"], margin=0.1)
    found = labelled(constitution, [3.0, 3.0, logit(0.2)])
    assert (found.p, found.decided_by) == (pytest.approx(0.2), ("third",))
    quiet = labelled(constitution, [logit(0.7), logit(0.7), logit(0.45)])
    assert (quiet.p, quiet.decided_by) == (pytest.approx(0.75 * 0.7 + 0.25 * 0.45), ())
    assert labelled(constitution, [3.0, 3.0, None]).reason == "coverage"
    two = law(rule="veto", veto=["first", "third"])
    assert labelled(two, [2.0, 0.0, -2.0]).reason == "vetoed"
    assert labelled(two, [logit(0.7), -5.0, logit(0.9)]).p == pytest.approx((2 * 0.7 + 0.9) / 3)


def test_random_principle_draws_by_content_with_the_weights_as_chances() -> None:
    constitution, leanings = law((2.0, 1.0, 1.0), rule="random_principle"), [1.0, 2.0, 3.0]
    pairs = [a_pair("x", "y", a_prompt(f"question {i}")) for i in range(1200)]
    found = [labelled(constitution, list(leanings), pair) for pair in pairs]
    counts = Counter(label.decided_by for label in found)
    for principle, expected in zip(IDS, (600, 300, 300), strict=True):
        assert abs(counts[(principle,)] - expected) < 4 * math.sqrt(expected * 0.75)
    for label in found[:50]:
        drawn = IDS.index(label.decided_by[0])
        assert label.p == pytest.approx(1 / (1 + math.exp(-leanings[drawn])))
        assert len(label.shares) == 3
    smaller = constitution.model_copy(update={"principles": constitution.principles[:2]})
    for label in found:
        again = relabel(label, smaller)
        assert again.decided_by == label.decided_by or label.decided_by == ("third",)
    failed = labelled(constitution, [None, None, None])
    assert failed.reason == "coverage"


def test_faults_in_a_rules_list_are_named() -> None:
    for aggregation, message in [
        ({"rule": "priority"}, "`priority` lists principle ids for the rule `priority`"),
        ({"rule": "majority", "veto": ["first"]}, "`veto` lists principle ids for the rule `veto`"),
        ({"rule": "priority", "priority": ["first", "second"]}, "left out: third"),
        ({"rule": "veto", "veto": ["first", "nobody"]}, "not so: nobody"),
        ({"rule": "veto", "veto": ["first", "first"]}, "each once; not so: first"),
    ]:
        with pytest.raises(ValidationError, match=message):
            law(**aggregation)
    with pytest.raises(ValidationError, match="weight above 0, each once; not so: third"):
        law((1.0, 1.0, 0.0), rule="veto", veto=["third"])


def test_settings_of_other_rules_change_no_key() -> None:
    assert law(margin=0.3).key == law().key
    keys = {law(rule=r).key for r in ("weighted_mean", "majority", "random_principle")}
    keys |= {law(rule="veto", veto=["first"], margin=m).key for m in (0.1, 0.2)}
    keys |= {law(rule="priority", priority=list(order)).key for order in (IDS, tuple(reversed(IDS)))}
    assert len(keys) == 7


LAWS = st.sampled_from(
    [
        law(rule="majority", abstain_band=0.05),
        law(rule="priority", priority=list(reversed(IDS)), margin=0.2),
        law(rule="veto", veto=["second", "third"]),
        law(rule="random_principle"),
        law(rule="weighted_mean"),
    ]
)
LEANINGS = st.lists(st.none() | st.just(0.0) | st.floats(-8, 8), min_size=3, max_size=3)


@settings(deadline=None)
@given(LAWS, LEANINGS)
def test_turning_the_pair_round_turns_the_label(constitution: Constitution, leanings: Leanings) -> None:
    label = labelled(constitution, leanings)
    turned = labelled(constitution, [None if x is None else -x for x in leanings], SWAPPED)
    assert (turned.reason, turned.decided_by, turned.comparison) == (label.reason, label.decided_by, label.comparison)
    if label.p is not None:
        assert turned.p == pytest.approx(1 - label.p, abs=1e-12)
        one, two = oriented(label, PAIR), oriented(turned, SWAPPED)
        assert (one.chosen, one.p) == (two.chosen, pytest.approx(two.p, abs=1e-12))
        assert one.p >= 0.5


@settings(deadline=None)
@given(LAWS, LEANINGS, LAWS)
def test_relabelling_is_labelling_from_the_votes(one: Constitution, leanings: Leanings, two: Constitution) -> None:
    judge = llm_judge(one)
    given_votes = votes(judge, PAIR, one, leanings)
    calibration = applied({"second": cooled(one.principles[1])}, ())
    label = label_pair(PAIR, given_votes, one, judge, calibration)
    assert Label.model_validate_json(label.model_dump_json()) == label
    assert relabel(label, one) == label
    assert relabel(label, two) == label_pair(PAIR, given_votes, two, judge, calibration)


def test_best_and_worst_are_chosen_under_every_rule() -> None:
    texts, scores = ("w", "x", "y"), {"w": 2.0, "x": 0.5, "y": -2.0}
    pairs = [a_pair(texts[i], texts[j]) for i in range(3) for j in range(i + 1, 3)]
    for constitution in (law(rule="majority"), law(rule="priority", priority=list(IDS)), law(rule="random_principle")):
        found = [labelled(constitution, [scores[p.a.text] - scores[p.b.text]] * 3, p) for p in pairs]
        chosen = select_best_worst(pairs, found)
        assert [p.a.text + p.b.text for p, label in zip(pairs, chosen, strict=True) if label.p is not None] == ["wy"]
