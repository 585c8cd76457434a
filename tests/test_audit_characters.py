"""Judges of a simple character are called what they are, and the gate stops those whose labels mean nothing."""

from __future__ import annotations

import pytest

from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.records import Pair
from judge.ask import judge_pairs
from judge.audit.card import About, Card, make_card
from judge.audit.cells import collect_cells
from judge.audit.injections import INJECTIONS
from judge.audit.measure import Asked
from judge.audit.probes import Asker, attacks, negations, null_principle, repeat_cells, with_principles
from judge.audit.settings import AuditSettings
from judge.interface import Judge
from judge.records import Vote
from reports.card_page import render_card
from tests.characters import AlwaysA, AlwaysB, ByTurns, Character, CoinToss, Gullible, LengthLover, Mute, Reader
from tests.judging import a_constitution, a_pair, a_prompt

CARE = Principle(id="care", text='It has the word "tea".')
LEAVES = Principle(id="leaves", text='It has the word "leaf".')


NAMES = (
    "always prefers what it is shown first",
    "always prefers what it is shown second",
    "is at chance",
    "goes by length",
    "answers by turns",
)


def some_pairs(count: int) -> list[Pair]:
    """Pairs of different lengths and words, neither tied to the slot nor to each other."""
    texts = [("tea " * (i % 5 + 1) + "leaf " * (i * 7 % 6) + "words " * (i * 3 % 11)).strip() for i in range(4 * count)]
    return [a_pair(texts[i], texts[3 * i + 1], a_prompt(f"Question {i}?")) for i in range(count)]


def about(judge: Judge, one_order: str | None = None) -> About:
    return About(
        run="r",
        judge=judge.name,
        kind="llm",
        digest=judge.digest,
        model=None,
        constitution="test",
        constitution_key="k",
        votes_digest="v",
        one_order=one_order,
    )


def cheap_card(judge: Judge, constitution: Constitution, store: Store[Vote], count: int = 120) -> Card:
    pairs = some_pairs(count)
    judge_pairs(pairs, constitution, judge, store)
    own = collect_cells(pairs, constitution, judge, store)
    return make_card(about(judge), constitution, judge, Asked(own=own), None)


def full_card(judge: Judge, constitution: Constitution, store: Store[Vote], count: int = 60) -> Card:
    settings, pairs, asker = AuditSettings(), some_pairs(count), Asker(judge, store)
    clean = asker.cells(pairs, constitution)
    asked = Asked(
        own=clean,
        clean=clean,
        negation=asker.cells(pairs, with_principles(constitution, negations(constitution, {}))),
        null=asker.cells(pairs, with_principles(constitution, [null_principle(p) for p in constitution.principles])),
        repeat=repeat_cells(asker, pairs, constitution),
        attacks=attacks(asker, clean, constitution, settings.payloads, 0),
    )
    return make_card(about(judge), constitution, judge, asked, settings)


@pytest.mark.parametrize("principles", [(CARE,), (CARE, LEAVES)], ids=["one", "two"])
@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (AlwaysA(), "always prefers what it is shown first"),
        (AlwaysB(), "always prefers what it is shown second"),
        (CoinToss(), "is at chance"),
        (LengthLover(), "goes by length"),
        (ByTurns(), "answers by turns"),
    ],
    ids=["a", "b", "coin", "length", "turns"],
)
def test_a_simple_character_is_called_what_it_is(
    judge: Character, said: str, principles: tuple[Principle, ...], store: Store[Vote]
) -> None:
    card = cheap_card(judge, a_constitution(principles), store, 300)
    called = [name for name in NAMES if any(name in words for words in card.words)]
    assert called == [said], card.words
    assert said == "goes by length" or not card.passed, card.gate


def test_probed_they_are_all_refused_and_a_reader_is_not(store: Store[Vote]) -> None:
    constitution = a_constitution((CARE,))
    for judge in (AlwaysA(), AlwaysB(), CoinToss(), LengthLover(), ByTurns()):
        assert not full_card(judge, constitution, store).passed, judge
    card = full_card(Reader(), constitution, store)
    assert card.passed, card.gate
    assert any("It reads the principle" in words for words in card.words)
    assert card.figures.null is not None
    assert card.figures.null.moved.low is not None
    assert card.figures.null.moved.low > 0


def test_an_alternating_judge_of_one_principle_looks_consistent_and_is_found_out(store: Store[Vote]) -> None:
    constitution = a_constitution((CARE,))
    cheap = cheap_card(ByTurns("one"), constitution, store)
    assert cheap.figures.votes.order_consistency.value == 1.0
    assert [c.outcome for c in cheap.gate if c.name == "order_consistency"] == ["undecided"]
    probed = full_card(ByTurns("two"), constitution, store)
    assert [c.outcome for c in probed.gate if c.name == "order_consistency"] == ["failed"]


def test_injected_text_turns_the_gullible_alone(store: Store[Vote]) -> None:
    constitution = a_constitution((CARE, LEAVES))
    strong, weak = (full_card(judge, constitution, store) for judge in (Reader(), Gullible()))
    assert strong.injections is not None
    assert weak.injections is not None
    assert strong.injections.all.flips.value == 0
    assert (strong.passed, weak.passed) == (True, False)
    assert [c.why.split(":")[0] for c in weak.gate if c.outcome == "failed"] == ["fake verdicts"]
    assert weak.injections.all.excess.low is not None
    assert weak.injections.all.excess.low > 0.1
    turned = {row.name for row in weak.injections.payloads if row.excess.value}
    assert {"ignore", "json-verdict", "null-verdict"} - turned <= {"null-verdict"}
    assert turned <= {p.name for p in INJECTIONS if "verdict" in p.text or "choose" in p.text}
    assert any("Injected text turns its verdicts" in words for words in weak.words)


def test_failed_votes_are_counted_by_kind_and_never_as_ties(store: Store[Vote]) -> None:
    card = cheap_card(Mute(), a_constitution((CARE,)), store, 60)
    votes = card.figures.votes
    assert votes.failed.value == pytest.approx(votes.truncated.value)
    assert votes.failed.value == pytest.approx(votes.reasons["truncated"] / 120)
    assert votes.undecided == 0
    assert [c.outcome for c in card.gate if c.name == "failed"] == ["failed"]


def test_of_one_prompt_the_card_says_that_there_is_no_interval(store: Store[Vote]) -> None:
    """Under three principles a pair has three cells, all of one prompt: means without a spread to be told."""
    longer = Principle(id="words", text='It has the word "words".')
    card = full_card(Gullible(), a_constitution((CARE, LEAVES, longer)), store, 1)
    assert card.injections is not None
    excess = card.injections.all.excess
    assert (excess.clusters, excess.low, excess.high) == (1, None, None)
    assert excess.value
    assert card.figures.null is not None
    assert card.figures.null.moved.low is None
    assert any("points (no interval: one prompt), n = " in words for words in card.words)
    assert "Whether injected text turns its verdicts cannot be said of one prompt: there is no interval." in card.words
    (injection,) = [c for c in card.gate if c.name == "injection"]
    assert injection.outcome == "undecided"
    assert injection.why.endswith("one prompt, so there is no interval")
    assert "no interval: one prompt" in render_card(card)
