"""What a label would be without some principles, against relabelling; parts that add up; smallest sets by hand."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings

from constitution.errors import DataError
from constitution.model import Constitution
from judge.labels import label_pair, relabel, select_best_worst
from judge.pivotal import Turned, change, change_without, parts, smallest_sets, standing, without
from judge.records import Label
from judge.verified import check_constitution, verified
from tests.judging import a_pair, llm_judge
from tests.test_aggregate import IDS, LAWS, LEANINGS, PAIR, Leanings, labelled, law, logit, votes


def lacking(constitution: Constitution, left_out: tuple[str, ...]) -> Constitution:
    """The oracle's constitution: not validated, so that a rule's list may name one that is gone."""
    rest = tuple(p for p in constitution.principles if p.id not in left_out)
    return constitution.model_copy(update={"principles": rest})


def relabelled_change(label: Label, constitution: Constitution, left_out: tuple[str, ...]) -> str:
    before, after = relabel(label, constitution).p, relabel(label, lacking(constitution, left_out)).p
    if before is None or after is None:
        return "same" if before == after else "appears" if before is None else "vanishes"
    return "same" if (before > 0.5) == (after > 0.5) else "flips"


@settings(deadline=None)
@given(LAWS, LEANINGS)
def test_pivotal_is_what_relabelling_without_it_says(constitution: Constitution, leanings: Leanings) -> None:
    label = labelled(constitution, leanings)
    assert standing(label, constitution) == (label.p, label.reason, label.decided_by)
    for size in range(4):
        for left_out in combinations(IDS, size):
            again = relabel(label, lacking(constitution, left_out))
            assert without(label, constitution, left_out) == (again.p, again.reason, again.decided_by)
            assert change_without(label, constitution, left_out) == relabelled_change(label, constitution, left_out)


@settings(deadline=None)
@given(LAWS, LEANINGS)
def test_the_parts_add_up_to_p_less_one_half(constitution: Constitution, leanings: Leanings) -> None:
    label = labelled(constitution, leanings)
    found = parts(label, constitution)
    if label.p is not None:
        assert set(found) == {share.principle for share in label.shares}
        assert sum(found.values()) == pytest.approx(label.p - 0.5, abs=1e-12)


@settings(deadline=None)
@given(LAWS, LEANINGS)
def test_no_smaller_set_turns_the_label(constitution: Constitution, leanings: Leanings) -> None:
    label = labelled(constitution, leanings)
    wanted = "appears" if label.p is None else "flips"
    turning = [
        chosen
        for size in (1, 2)
        for chosen in combinations(sorted(IDS), size)
        if relabelled_change(label, constitution, chosen) == wanted
    ]
    smallest = min(map(len, turning), default=2)
    found = smallest_sets(label, constitution)
    assert found == Turned(tuple(chosen for chosen in turning if len(chosen) == smallest), smallest)


def test_a_pair_by_hand() -> None:
    """Weights 2, 1, 1 and p 0.8, 0.3, 0.4: p = 0.575. Without the first 0.35; without another it stays with a."""
    constitution = law()
    label = labelled(constitution, [logit(0.8), logit(0.3), logit(0.4)])
    assert label.p == pytest.approx(0.575)
    assert parts(label, constitution) == {
        "first": pytest.approx(0.15),
        "second": pytest.approx(-0.05),
        "third": pytest.approx(-0.025),
    }
    assert without(label, constitution, ("first",)).p == pytest.approx(0.35)
    assert [change_without(label, constitution, (i,)) for i in IDS] == ["flips", "same", "same"]
    assert smallest_sets(label, constitution) == Turned((("first",),), 1)


def test_two_that_hide_each_other_flip_only_together() -> None:
    constitution = law((1.0, 1.0, 1.5))
    label = labelled(constitution, [logit(0.9), logit(0.9), logit(0.3)])
    assert [change_without(label, constitution, (i,)) for i in IDS] == ["same", "same", "same"]
    assert smallest_sets(label, constitution) == Turned((("first", "second"),), 2)
    assert smallest_sets(label, constitution, most=3) == Turned((), 1), "three sets: those of one principle only"


def test_a_label_can_vanish_and_appear() -> None:
    constitution = law(abstain_band=0.1)
    label = labelled(constitution, [logit(0.7), logit(0.5), logit(0.6)])
    assert label.p == pytest.approx(0.625)
    assert [change_without(label, constitution, (i,)) for i in IDS] == ["vanishes", "same", "same"]
    clash = law(rule="veto", veto=["first", "third"])
    none = labelled(clash, [2.0, 0.0, -2.0])
    assert [change_without(none, clash, (i,)) for i in IDS] == ["appears", "same", "appears"]
    assert smallest_sets(none, clash) == Turned((("first",), ("third",)), 1)
    assert parts(none, clash) == {}
    assert change(standing(label, constitution), without(label, constitution, IDS)) == "vanishes"


def test_a_label_that_was_not_selected_still_stands() -> None:
    constitution = law()
    pairs = [a_pair("w", "x"), a_pair("w", "y"), a_pair("x", "y")]
    labels = [labelled(constitution, [2.0, 1.0, 1.0], pair) for pair in pairs]
    passed_over = [label for label in select_best_worst(pairs, labels) if label.reason == "not_selected"]
    assert len(passed_over) == 2
    assert all(standing(label, constitution).p is not None for label in passed_over)


def test_a_stored_label_must_be_what_the_votes_give() -> None:
    constitution = law()
    judge = llm_judge(constitution)
    given_votes = votes(judge, PAIR, constitution, [1.0, None, -0.5])
    label = label_pair(PAIR, given_votes, constitution, judge)
    assert verified(label, PAIR, given_votes, constitution, judge) == label
    selected_away = label.model_copy(update={"p": None, "reason": "not_selected"})
    assert verified(selected_away, PAIR, given_votes, constitution, judge) == label
    assert label.p is not None
    nudged = label.model_copy(update={"p": label.p + 2**-52})
    with pytest.raises(DataError, match="not what the stored votes give: `p` is"):
        verified(nudged, PAIR, given_votes, constitution, judge)
    with pytest.raises(DataError, match="not what the stored votes give: `p` is"):
        verified(label, PAIR, votes(judge, PAIR, constitution, [1.0, None, -0.6]), constitution, judge)
    with pytest.raises(DataError, match="not what the stored votes give: `shares` is"):
        verified(selected_away, PAIR, votes(judge, PAIR, constitution, [1.0, None, -0.6]), constitution, judge)
    with pytest.raises(DataError, match="1 of 1 stored labels were made under another constitution"):
        check_constitution([label], law((3.0, 1.0, 1.0)))
    check_constitution([label], constitution)
