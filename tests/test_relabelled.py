"""Bounds on labels with unknown votes, against every combination of these votes on a grid."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.model import Constitution, Principle
from judge.aggregate import Outcome, side
from judge.labels import Missing, Opinion, Preference, relabel
from judge.pivotal import standing
from judge.records import Label, Share
from judge.relabelled import Carried, Tally, carry, kept_principles, labelled, possible
from tests.judging import a_pair, a_prompt

IDS = ("a", "b", "c", "d")
GRID = (0.0, 0.2, 0.4, 0.45, 0.5, 0.55, 0.7, 1.0)
RULES: list[dict[str, Any]] = [
    {"rule": "weighted_mean"},
    {"rule": "majority"},
    {"rule": "priority", "priority": ["c", "a", "d", "b"]},
    {"rule": "veto", "veto": ["a", "c"]},
    {"rule": "random_principle"},
]


def constitution(weights: dict[str, float], **aggregation: object) -> Constitution:
    principles = [{"id": i, "text": f"{i}.", "weight": w} for i, w in weights.items()]
    return Constitution.model_validate({"name": "c", "principles": principles, "aggregation": aggregation})


def a_label(pair_key: str, given: dict[str, float], missing: tuple[str, ...] = ()) -> Label:
    shares = tuple(Share(principle=i, weight=0, p=p) for i, p in given.items())
    lacking = tuple((i, "failed: x") for i in missing)
    return Label(
        pair_key=pair_key,
        constitution="",
        judge="",
        rule="weighted_mean",
        reason="undecided",
        shares=shares,
        missing=lacking,
        comparison=pair_key,
    )


@settings(max_examples=300, deadline=None)
@given(
    weights=st.fixed_dictionaries({i: st.sampled_from([0.5, 1.0, 2.0, 5.0]) for i in IDS}),
    votes=st.fixed_dictionaries({i: st.sampled_from([0.0, 0.3, 0.45, 0.5, 0.62, 1.0]) for i in IDS}),
    unknown=st.sets(st.sampled_from(IDS), min_size=1, max_size=2),
    missing=st.sets(st.sampled_from(IDS), max_size=1),
    band=st.sampled_from([0.0, 0.07, 0.21]),
    before=st.sampled_from([0.2, 0.8, None]),
    pair_key=st.sampled_from(["p", "q", "r"]),
)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_the_bounds_hold_for_all_votes(
    rule: dict[str, Any], weights: dict[str, float], votes: dict[str, float], unknown: set[str], missing: set[str],
    band: float, before: float | None, pair_key: str,
) -> None:  # fmt: skip
    new = constitution(weights, abstain_band=band, **rule)
    lacking = dict.fromkeys(missing - unknown, "failed: x")
    opinions = {i: Opinion(p, None) for i, p in votes.items() if i not in unknown | missing}
    label = a_label(pair_key, votes)
    known = Carried(opinions, lacking, tuple(sorted(unknown)))
    ends = [Outcome(labelled(label, known, new, p).p) for p in (0.0, 1.0)]
    found = possible(Outcome(before), ends)
    reached = set()
    for ps in product(GRID, repeat=len(unknown)):
        every = opinions | {i: Opinion(p, None) for i, p in zip(known.unknown, ps, strict=True)}
        p = labelled(label, Carried(every, lacking, ()), new).p
        reached.add(None if p is None else side(p))
    if before is None:
        assert "most_appear" in found or reached == {None}
        return
    other = -side(before)
    assert ("most_flips" in found) == (other in reached)
    assert "most_vanish" in found or None not in reached
    assert "least_flips" not in found or reached == {other}


def test_known_opinions_are_carried_over_and_the_rest_is_looked_up() -> None:
    old = constitution({"a": 1, "b": 2, "c": 1})
    new = Constitution(
        name="c",
        principles=(
            old.principles[0],
            old.principles[1].model_copy(update={"id": "bee", "weight": 7.0}),
            old.principles[2].model_copy(update={"text": "Other."}),
            Principle(id="new", text="New."),
            Principle(id="elsewhere", text="Elsewhere.", scope=("x",)),
        ),
    )
    assert kept_principles(old, new) == {"a": "a", "bee": "b"}
    pair = a_pair("One.", "Two.", a_prompt())
    label = a_label(pair.key, {"a": 0.9, "c": 0.1}, missing=("b",))
    carried = carry(
        pair, label, new, kept_principles(old, new), {"new": Preference(0.0, None), "c": Missing("not_asked")}
    )
    assert carried == Carried({"a": Opinion(0.9, None), "new": Opinion(0.5, None)}, {"bee": "failed: x"}, ("c",))
    failed = carry(pair, label, new, kept_principles(old, new), {"c": Missing("failed: y")})
    assert failed.missing == {"bee": "failed: x", "c": "failed: y"}
    assert failed.unknown == ("new",)


def test_one_pair_by_hand() -> None:
    """a: 0.9 with weight 1; c: 0.4 with weight 1, reworded, and d added with weight 3. Before: p = 0.65."""
    old, label = constitution({"a": 1, "c": 1}), a_label("p", {"a": 0.9, "c": 0.4})
    assert standing(label, old).p == pytest.approx(0.65)
    new = Constitution(
        name="c",
        principles=(old.principles[0], Principle(id="c", text="Other."), Principle(id="d", text="D.", weight=3.0)),
    )
    tally = Tally(old, new, kept_principles(old, new))
    tally.add(label, Carried({"a": Opinion(0.9, None)}, {}, ("c", "d")))
    found = tally.changes()
    assert (found.pairs, found.labelled, found.same, found.flips) == (1, 1, 0, 0)
    assert (found.unknown.pairs, found.unknown.least_flips, found.unknown.most_flips) == (1, 0, 1)
    # Alone, c leaves d out: (0.9 + p) / 2 is 0.45 at the least. d with c as before: (0.9 + 0.4 + 3 p) / 5 from 0.26.
    assert {i: b.most_flips for i, b in found.alone.items()} == {"c": 1, "d": 1}


def test_without_unknown_votes_it_is_relabel() -> None:
    old, new = constitution({"a": 3, "b": 1}), constitution({"a": 1, "b": 3})
    label = a_label("p", {"a": 0.7, "b": 0.2})
    known = Carried({"a": Opinion(0.7, None), "b": Opinion(0.2, None)}, {}, ())
    assert labelled(label, known, new) == relabel(label, new)
    tally = Tally(old, new, kept_principles(old, new))
    tally.add(label, known)
    assert tally.changes().flips == 1
