"""What each principle said of the pairs: a small case counted by hand."""

from __future__ import annotations

import pytest

from constitution.model import Constitution, Principle
from generate.records import Pair, Prompt, Response
from judge.records import Label, Order, Share, Vote, VoteRequest
from judge.resampling import Z_95
from reports.labels import count_states, is_pivotal, label_statistics
from reports.settings import BehaviourSettings
from tests.reporting import prompted

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
    found = label_statistics(LAW, prompted(pairs, labels), count_states(votes), SETTINGS, seed=0)
    assert (found.pairs, found.labelled, found.reasons) == (4, 3, {"undecided": 1})
    x, y = found.principles
    assert (x.weight, x.valid, x.abstained, x.failed, x.pairs) == (0.75, 2, 0, 0, 4)
    assert (y.weight, y.valid, y.abstained, y.failed, y.pairs) == (0.25, 1, 1, 1, 3)
    assert x.mean_p == pytest.approx((0.8 + 0.2 + 0.9 + 0.5) / 4)
    assert x.strength == pytest.approx((0.6 + 0.6 + 0.8 + 0.0) / 4)
    assert (x.decided.value, x.decided.n, x.decided.clusters) == (0.75, 4, 3), "two pairs are of one prompt"
    assert (x.agrees.value, x.agrees.n, x.agrees.clusters, x.pivotal) == (1.0, 3, 2, 2)
    assert (y.agrees.value, y.agrees.n, y.pivotal) == (0.5, 2, 0)
    assert x.agrees.low == pytest.approx(1 / (1 + Z_95**2 / 2)), "Wilson's, of two prompts that all agree"
    assert x.position_bias is not None
    assert x.position_bias.estimate == pytest.approx(((1.0 + 3.0) / 2 + 5.0 + 4.0) / 3), "prompts, not pairs"
    assert x.position_bias.n == 3


def test_a_principle_that_never_spoke_has_no_figures() -> None:
    pair = a_pair(0, 0)
    label = a_label(pair, None, [], "coverage")
    found = label_statistics(LAW, prompted([pair], [label]), {}, SETTINGS, seed=0)
    row = found.principles[0]
    assert row.pairs == 0
    assert {row.mean_p, row.decided.value, row.strength, row.agrees.value, row.position_bias} == {None}


def test_an_unlabelled_pair_has_no_pivot() -> None:
    shares = [share("x", 0.75, 0.5), share("y", 0.25, 0.9)]
    label = a_label(a_pair(0, 0), 0.6, shares)
    assert [is_pivotal(label, i, LAW) for i in ("x", "y")] == [False, True], "x alone is even: the label vanishes"
    passed_over = label.model_copy(update={"p": None, "reason": "not_selected"})
    assert not is_pivotal(passed_over, "y", LAW)
