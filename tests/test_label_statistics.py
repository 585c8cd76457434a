"""What each principle said of the pairs: a small case counted by hand."""

from __future__ import annotations

import pytest

from constitution.model import Aggregation, Constitution, Principle
from generate.records import Pair, Prompt, Response
from judge.records import Label, Order, Share, Vote, VoteRequest
from reports.labels import is_pivotal, label_statistics
from reports.settings import BehaviourSettings

LAW = Constitution(
    name="two", principles=(Principle(id="x", text="X.", weight=3), Principle(id="y", text="Y.", weight=1))
)
SETTINGS = BehaviourSettings(resamples=200)


def a_pair(prompt: int, n: int) -> Pair:
    asked = Prompt(id=f"q{prompt}", prompt=f"Question {prompt}?")
    a, b = (
        Response(prompt_key=asked.key, text=text, finish="stop", tokens=1, sampler="s", seed=0, index=i)
        for i, text in enumerate((f"a{n}", f"b{n}"))
    )
    return Pair(prompt=asked, a=a, b=b)


def a_vote(pair: Pair, principle: int, order: Order, logit: float | None, state: str = "valid") -> Vote:
    request = VoteRequest(
        pair_key=pair.key,
        principle_key=LAW.principles[principle].key,
        judge="j",
        first=pair.a.key,
        second=pair.b.key,
        order=order,
        rendered="r",
    )
    return Vote.model_validate(
        {"request": request, "state": state, "logit": logit, "reason": None if state == "valid" else "empty"}
    )


def a_label(pair: Pair, p: float | None, shares: list[Share], reason: str | None = None) -> Label:
    return Label(
        pair_key=pair.key,
        constitution=LAW.key,
        judge="j",
        rule="weighted_mean",
        p=p,
        reason=reason,
        shares=tuple(shares),
    )


def share(principle: str, weight: float, p: float, bias: float | None = None) -> Share:
    return Share(principle=principle, weight=weight, p=p, position_bias=bias)


def test_a_small_case_counted_by_hand() -> None:
    """x decides pair 0 (without it y turns the label) and is alone on pair 2; y goes along on pair 1 without need."""
    pairs = [a_pair(0, 0), a_pair(0, 1), a_pair(1, 2), a_pair(2, 3)]
    labels = [
        a_label(pairs[0], 0.7, [share("x", 0.75, 0.8, 1.0), share("y", 0.25, 0.4, 0.0)]),
        a_label(pairs[1], 0.2, [share("x", 0.75, 0.2, 3.0), share("y", 0.25, 0.2, 0.0)]),
        a_label(pairs[2], 0.9, [share("x", 1.0, 0.9, 5.0)]),
        a_label(pairs[3], None, [share("x", 0.75, 0.5, 4.0), share("y", 0.25, 0.5, 0.0)], "undecided"),
    ]
    votes = [a_vote(pairs[0], 0, "ab", 1.0), a_vote(pairs[0], 0, "ba", -1.0), a_vote(pairs[0], 1, "ab", 0.5)]
    votes += [a_vote(pairs[2], 1, "ab", None, "failed"), a_vote(pairs[2], 1, "ba", None, "abstain")]
    found = label_statistics(LAW, pairs, votes, labels, SETTINGS, seed=0)
    assert (found.pairs, found.labelled, found.reasons) == (4, 3, {"undecided": 1})
    x, y = found.principles
    assert (x.weight, x.valid, x.abstained, x.failed, x.pairs) == (0.75, 2, 0, 0, 4)
    assert (y.weight, y.valid, y.abstained, y.failed, y.pairs) == (0.25, 1, 1, 1, 3)
    assert x.mean_p == pytest.approx((0.8 + 0.2 + 0.9 + 0.5) / 4)
    assert x.strength == pytest.approx((0.6 + 0.6 + 0.8 + 0.0) / 4)
    assert (x.decided, x.compared, x.agrees, x.pivotal) == (0.75, 3, 1.0, 2)
    assert (y.compared, y.agrees, y.pivotal) == (2, 0.5, 0)
    assert x.position_bias is not None
    assert x.position_bias.estimate == pytest.approx(((1.0 + 3.0) / 2 + 5.0 + 4.0) / 3), "prompts, not pairs"
    assert x.position_bias.n == 3


def test_a_principle_that_never_spoke_has_no_figures() -> None:
    pair = a_pair(0, 0)
    found = label_statistics(LAW, [pair], [], [a_label(pair, None, [], "coverage")], SETTINGS, seed=0)
    row = found.principles[0]
    assert row.pairs == 0
    assert {row.mean_p, row.decided, row.strength, row.agrees, row.position_bias} == {None}


@pytest.mark.parametrize(
    ("weight", "p_k", "p", "pivotal"),
    [
        (0.5, 0.9, 0.7, True),  # the others say exactly 0.5: no side
        (0.5, 0.9, 0.55, True),  # the others say 0.2
        (0.5, 0.6, 0.7, False),  # the others say 0.8
        (1.0, 0.6, 0.6, True),  # nobody else
        (0.0, 0.9, 0.6, False),  # it had no say
    ],
)
def test_a_principle_is_pivotal_if_the_label_would_turn_without_it(
    weight: float, p_k: float, p: float, pivotal: bool
) -> None:
    pair = a_pair(0, 0)
    own = share("x", weight, p_k)
    assert is_pivotal(a_label(pair, p, [own]), own, LAW) == pivotal


def test_an_unlabelled_or_even_pair_has_no_pivot() -> None:
    pair = a_pair(0, 0)
    own = share("x", 0.5, 0.9)
    assert not is_pivotal(a_label(pair, None, [own], "coverage"), own, LAW)
    assert not is_pivotal(a_label(pair, 0.5, [own]), own, LAW)


def test_under_another_rule_the_others_are_asked_again() -> None:
    """x (weight 3) prefers a, y and z (2 each) prefer b: by majority b, and only y and z are needed for it."""
    three = (*LAW.principles, Principle(id="z", text="Z.", weight=2))
    law = Constitution(
        name="three",
        aggregation=Aggregation(rule="majority"),
        principles=(three[0], three[1].model_copy(update={"weight": 2}), three[2]),
    )
    shares = [share("x", 3 / 7, 0.9), share("y", 2 / 7, 0.2), share("z", 2 / 7, 0.4)]
    label = a_label(a_pair(0, 0), 3 / 7, shares).model_copy(update={"rule": "majority"})
    assert [is_pivotal(label, one, law) for one in shares] == [False, True, True]
    assert is_pivotal(label.model_copy(update={"shares": shares[:1]}), shares[0], law), "nobody else"
