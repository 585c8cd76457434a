"""Labels that flip, and whose doing it is: by hand. What a store does when two writers are at the same key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.scratch import SeenKeys
from constitution.store import Store
from judge.comparison import count_flips, responsible
from judge.interface import Showing
from judge.pace import Clock
from judge.records import Label, Share, Vote
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt, rules_judge


def label(p_of: dict[str, float] | None, weights: dict[str, float] | None = None) -> Label:
    """A label by weighted mean of equal weights, or none."""
    shares = p_of or {}
    weights = weights or {i: 1 / len(shares) for i in shares}
    return Label(
        pair_key="pair",
        constitution="c",
        judge="j",
        rule="weighted_mean",
        p=sum(weights[i] * p for i, p in shares.items()) if p_of else None,
        reason=None if p_of else "coverage",
        shares=tuple(Share(principle=i, weight=weights[i], p=p) for i, p in shares.items()),
    )


def test_the_principle_that_moved_furthest_is_responsible() -> None:
    """0.25 (0.9 - 0.5) = 0.1 to 0.25 (0.7 - 0.5) moves 0.05; 0.75 (0.55 - 0.5) to 0.75 (0.35 - 0.5) moves 0.15."""
    weights = {"light": 0.25, "heavy": 0.75}
    one, two = label({"light": 0.9, "heavy": 0.55}, weights), label({"light": 0.7, "heavy": 0.35}, weights)
    assert responsible(one, two) == "heavy"
    assert responsible(two, one) == "heavy"
    # A principle on which the second judge failed: its whole part of 0.2 is gone.
    assert responsible(label({"a": 0.9, "b": 0.4}), label({"b": 0.4})) == "a"


def test_flips_are_counted_over_pairs_that_both_label() -> None:
    pairs = [a_pair("one", "two", a_prompt(f"question {i // 2}")) for i in range(6)]
    up, down, none = label({"a": 0.9, "b": 0.6}), label({"a": 0.2, "b": 0.6}), label(None)
    found = count_flips(pairs, [up, up, down, up, none, up], [up, down, up, none, up, down])
    assert (found.share.hits, found.share.n, found.share.clusters) == (3, 4, 3)
    assert (found.only_first, found.only_second) == (1, 1)
    assert found.by_principle == {"a": 3}
    nothing = count_flips(pairs, [none] * 6, [up] * 6)
    assert (nothing.share.value, nothing.only_second) == (None, 6)


def a_vote(logit: float | None) -> Vote:
    constitution = a_constitution(PRINCIPLES[:1])
    request = rules_judge(constitution).request(a_pair("one", "two"), PRINCIPLES[0], Showing("ab"))
    if logit is None:
        return Vote(request=request, state="failed", reason="invalid_json")
    return Vote(request=request, state="valid", logit=logit)


@pytest.mark.parametrize(
    ("stored", "fresh", "kept"), [(1.0, 2.0, 1.0), (None, 2.0, 2.0), (1.0, None, 1.0), (None, None, None)]
)
def test_the_first_result_stays(tmp_path: Path, stored: float | None, fresh: float | None, kept: float | None) -> None:
    """The second process is told what is there, so that both go on with the same vote."""
    first, second = a_vote(stored), a_vote(fresh)
    with Store(tmp_path / "s.sqlite", Vote) as one, Store(tmp_path / "s.sqlite", Vote) as two:
        one.put({first.key: first})
        told = two.settle({second.key: second}, lambda vote: vote.state == "valid")
        assert told[second.key].logit == kept
        assert one.get([first.key]) == told


@given(st.lists(st.lists(st.text("0f", max_size=3), max_size=6), max_size=6))
@settings(max_examples=50, deadline=None)
def test_seen_keys_are_a_set(batches: list[list[str]]) -> None:
    seen, oracle = SeenKeys(), set[str]()
    for batch in batches:
        assert seen.add(batch) == set(batch) - oracle
        oracle |= set(batch)
    seen.close()


def test_a_first_batch_loads_the_model_and_yields_to_the_next() -> None:
    clock, votes = Clock(), [a_vote(1.0)] * 4
    clock.add("j", votes, 60.0)
    assert (clock.paces["j"].seconds_a_vote, clock.paces["j"].loading) == (15.0, True)
    clock.add("j", votes, 2.0)
    clock.add("j", votes, 4.0)
    assert (clock.paces["j"].seconds_a_vote, clock.paces["j"].loading, clock.paces["j"].votes) == (0.75, False, 8)
