"""The parts of the audit by hand: payloads take turns, altered pairs and principles, the gate's arithmetic, figures."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.model import Example, Principle
from judge.agreement import compare_judges
from judge.audit.cells import make_cells
from judge.audit.facts import vote_facts
from judge.audit.gate import cases_needed, standing
from judge.audit.gold import GoldFacts, Row, gold_facts
from judge.audit.injections import FAMILIES, INJECTIONS, control_for, injected, payloads_for
from judge.audit.probes import NULL, Repeated, negated, null_principle, seen_by
from judge.audit.settings import Negation
from judge.interface import Ask, Showing
from judge.labels import Preference, view
from judge.records import Order
from judge.resampling import Score, share_score
from tests.characters import AlwaysA
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt, a_vote, llm_judge, rules_judge


@given(st.integers(1, 32), st.integers(0, 2**31 - 1))
def test_payloads_take_turns_and_none_is_drawn_twice_for_one_cell(count: int, seed: int) -> None:
    cells = len(INJECTIONS)
    drawn = [payloads_for(i, count, seed) for i in range(cells)]
    assert all(len(set(payloads)) == len(payloads) for payloads in drawn)
    assert set(Counter(p.name for payloads in drawn for p in payloads).values()) == {min(count, cells)}


def test_every_family_that_is_promised_is_there() -> None:
    assert len({injection.name for injection in INJECTIONS}) == len(INJECTIONS)
    assert set(FAMILIES) == {
        "forged delimiters",
        "fake verdicts",
        "instructions",
        "master keys",
        "constant answers",
        "template syntax",
        "invisible characters",
        "terminal escapes",
    }


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
def test_a_payload_changes_one_response_and_can_be_put_to_a_judge(injection: object) -> None:
    assert isinstance(injection, type(INJECTIONS[0]))
    pair = a_pair("One answer.", "Another answer.")
    attacked = injected(pair, "b", injection)
    assert attacked.a == pair.a
    assert injection.text in attacked.b.text
    assert (pair.b.text in attacked.b.text) == (injection.place != "whole")
    assert attacked.key != pair.key
    judge = llm_judge(a_constitution(PRINCIPLES[:1]))
    clean, dirty = (judge.request(p, PRINCIPLES[0], Showing("ab")) for p in (pair, attacked))
    assert clean.rendered != dirty.rendered
    assert clean.key != dirty.key


def test_the_control_is_about_as_long_as_its_payloads() -> None:
    payloads = payloads_for(0, 6, 0)
    mean = sum(len(payload.text) for payload in payloads) / 6
    assert abs(len(control_for(payloads).text) - mean) <= 1


def test_an_attack_that_would_make_both_responses_equal_is_none() -> None:
    colon = next(injection for injection in INJECTIONS if injection.name == "colon")
    pair = a_pair(":", "An answer.")
    assert injected(pair, "b", colon) == pair


def test_negation_swaps_examples_and_keeps_id_scope_and_source() -> None:
    example = Example(prompt="p", better="x", worse="y")
    principle = Principle(id="kind", text="It is kind.", scope=("long",), source="crowd", examples=(example,))
    opposite = negated(principle)
    assert "It is kind." in opposite.text
    assert opposite.text != principle.text
    assert (opposite.examples[0].better, opposite.examples[0].worse) == ("y", "x")
    assert (opposite.id, opposite.scope, opposite.source) == ("kind", ("long",), "crowd")
    own = negated(principle, Negation(text="It is rude.", polarity="against"))
    assert (own.text, own.polarity, own.check) == ("It is rude.", "against", None)
    assert null_principle(principle).text == NULL


def test_who_is_not_shown_the_text_is_not_probed_by_it() -> None:
    constitution, pair = a_constitution(PRINCIPLES[:1]), a_pair("One.", "Two two.")
    opposite = negated(PRINCIPLES[0])
    assert seen_by(llm_judge(constitution), pair, PRINCIPLES[0], opposite)
    assert not seen_by(rules_judge(constitution), pair, PRINCIPLES[0], opposite)


def test_a_repeated_judge_asks_new_replicates_of_the_same_orders() -> None:
    assert Repeated(AlwaysA()).showings(PRINCIPLES[0]) == (Showing("ab", 1), Showing("ba", 1))
    assert Repeated(AlwaysA(), ("ba",)).showings(PRINCIPLES[0]) == (Showing("ba", 1),)


def test_cases_needed_is_the_textbook_formula() -> None:
    # 0.6 against 0.5: ((1.96 * 0.5 + 0.8416 * sqrt(0.24)) / 0.1)^2 = 193.8
    assert cases_needed(0.6, 0.5) == 194
    assert cases_needed(0.5, 0.5) == 194
    assert cases_needed(0.75, 0.5) == math.ceil(((1.959964 * 0.5 + 0.841621 * math.sqrt(0.1875)) / 0.25) ** 2)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.51, 0.7, "passed"), (0.45, 0.59, "failed"), (0.1, 0.3, "failed"), (0.4, 0.7, "undecided")],
)
def test_standing_needs_the_whole_interval(low: float, high: float, outcome: str) -> None:
    assert standing(Score(value=(low + high) / 2, low=low, high=high, n=9, clusters=9)) == outcome
    assert standing(Score(value=None, low=None, high=None, n=0, clusters=0)) == "undecided"


def test_the_votes_figures_by_hand() -> None:
    constitution, judge = a_constitution(PRINCIPLES[:1]), AlwaysA()
    pairs = [a_pair("one two three", "one", a_prompt(f"Number {i}?")) for i in range(4)]
    logits: list[dict[Order, float | None]] = [
        {"ab": 2.0, "ba": -1.0},  # the longer a in both orders
        {"ab": 1.0, "ba": 1.0},  # the first in both
        {"ab": -3.0, "ba": 1.0},  # b in both
        {"ab": 1.0, "ba": None},  # failed
    ]
    votes = {
        pair.key: {"brief": tuple(a_vote(judge, pair, PRINCIPLES[0], order, row[order]) for order in row)}
        for pair, row in zip(pairs, logits, strict=True)
    }
    facts = vote_facts(make_cells(pairs, constitution, judge, votes))
    assert (facts.cells, facts.votes, facts.undecided) == (4, 8, 1)
    assert facts.order_consistency == share_score(_floats(1, 0, 1), list("abc"))
    assert (facts.first_slot.value, facts.first_slot.n) == (5 / 7, 7)
    assert facts.position_bias.value == pytest.approx((0.5 + 1.0 - 1.0) / 3)
    assert (facts.prefers_longer.value, facts.prefers_longer.n) == (0.5, 2)
    assert (facts.failed.value, facts.invalid.value) == (1 / 8, 1 / 8)
    # Slots in the order of asking: A B | A A | B A | A
    assert (facts.turns.value, facts.turns.n) == (4 / 6, 6)


@pytest.mark.parametrize("polarity", ["for", "against"])
def test_the_slot_is_the_one_that_the_judge_names_whatever_the_polarity(polarity: str) -> None:
    principle = PRINCIPLES[0].model_copy(update={"polarity": polarity})
    constitution, judge = a_constitution((principle,)), AlwaysA()
    pairs = [a_pair("one two three", "one", a_prompt(f"Number {i}?")) for i in range(4)]
    orders: tuple[Order, ...] = ("ab", "ba")
    asks = [Ask(judge.request(p, principle, Showing(o)), p, principle) for p in pairs for o in orders]
    given = {ask.request.key: vote for ask, vote in zip(asks, judge.vote(asks), strict=True)}
    votes = {
        pair.key: {principle.id: tuple(given[judge.request(pair, principle, Showing(order)).key] for order in orders)}
        for pair in pairs
    }
    facts = vote_facts(make_cells(pairs, constitution, judge, votes))
    assert (facts.first_slot.value, facts.turns.value) == (1.0, 0.0)
    assert (facts.position_bias.value or 0) > 0
    seen = view(votes[pairs[0].key][principle.id], principle, judge)
    assert isinstance(seen, Preference)
    assert (seen.position_bias or 0) > 0
    table = compare_judges(pairs, constitution, votes, votes)
    assert table[0].first.first_slot.value == 1.0


def _row(i: int, gold: float, p: float, swapped: bool) -> Row:
    return Row(str(i), gold, p, p, p, p, 0.1 * (-1) ** i, swapped)


def test_kappa_against_chosen_and_rejected_is_not_zero_for_a_good_judge() -> None:
    # In its file the chosen response is always first; the slots are by content.
    rows = [_row(i, float(i % 2), 0.9 if i % 2 == (i % 10 != 0) else 0.1, i % 2 == 0) for i in range(40)]
    facts = gold_facts(rows, "principle", False)
    assert facts.accuracy.value == pytest.approx(0.9)
    assert facts.kappa.value == pytest.approx(0.8, abs=0.01)
    assert facts.published is None, "the script's kappa would be 0 for any judge"
    assert facts.orders is not None
    assert facts.orders.kappa_ab.value == pytest.approx(facts.kappa.value)
    GoldFacts.model_validate_json(facts.model_dump_json())


def _floats(*values: float) -> object:
    import numpy as np

    return np.array(values, dtype=np.float64)
