"""The checks against numbers worked out by hand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from constitution.checks import Check
from constitution.errors import JudgeError
from constitution.model import Principle
from judge.interface import Ask, Showing
from judge.rules import SEARCHED_CHARS, content_stems, rule_logit, score, stem
from tests.judging import a_constitution, a_pair, rules_judge

ADAPTER: TypeAdapter[Check] = TypeAdapter(Check)


def check(kind: str, **fields: object) -> Check:
    return ADAPTER.validate_python({"type": kind, **fields})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one two three", 0.0),
        ("one two three four five", 0.0),
        ("one two three four five six seven", -2.0),
        ("one", -1.0),
        ("", -2.0),
        ("  one\n\ttwo  ", 0.0),
        ("don't stop-here, ok", 0.0),
    ],
)
def test_words(text: str, expected: float) -> None:
    assert score(check("words", min=2, max=5), "q", text) == expected


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("plain text - with a dash", 0),
        ("- one\n- two", 2),
        ("* one\n  * two\n• three", 3),
        ("1. one\n2) two\n10. ten", 3),
        ("# Heading\n### Deeper", 2),
        ("**bold** start\n-5 degrees\n---\n1.5 litres\n#tag\n2024 was good", 0),
        ("-\n*\n1.", 0),
        ("text\r\n- item\r\n", 1),
    ],
)
def test_lists(text: str, lines: int) -> None:
    assert score(check("lists"), "q", text) == -lines


def test_pattern_counts_matches_without_regard_to_case() -> None:
    absent, present = check("pattern", pattern=r"\byou\b"), check("pattern", pattern=r"\byou\b", want="present")
    assert score(absent, "q", "You know, YOU and yours") == -2
    assert score(present, "q", "You know, YOU and yours") == 2
    assert score(absent, "q", "nothing of the kind") == 0


def test_pattern_looks_at_the_opening_only() -> None:
    opening = check("pattern", pattern="^(sure|of course)|happy to", opening=12)
    assert score(opening, "q", "Sure, I am happy to help") == -1
    assert score(opening, "q", "Bread: sure.\nSure") == 0


def test_pattern_per_hundred_words() -> None:
    per_word = check("pattern", pattern="x", per_word=True)
    assert score(per_word, "q", "x a b c") == -25.0
    assert score(per_word, "q", "x a b c " * 5) == -25.0
    assert score(per_word, "q", "") == 0.0


def test_empty_matches_do_not_count() -> None:
    assert score(check("pattern", pattern="a*"), "q", "bbb") == 0
    assert score(check("pattern", pattern="a*"), "q", "baab") == -1


def test_pattern_search_is_bounded() -> None:
    text = "b" * SEARCHED_CHARS + "a"
    assert score(check("pattern", pattern="a"), "q", text) == 0
    started = time.perf_counter()
    score(check("pattern", pattern=r"b+c"), "q", "b" * 200_000)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cats", "cat"),
        ("boxes", "box"),
        ("bakes", "bak"),
        ("bake", "bak"),
        ("baked", "bak"),
        ("baking", "bak"),
        ("glass", "glass"),
        ("glasses", "glass"),
        ("sing", "sing"),
        ("tree", "tre"),
        ("trees", "tre"),
        ("water", "water"),
    ],
)
def test_stem(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_overlap() -> None:
    question = "How do I bake two loaves of bread without yeast?"
    assert content_stems(question) == {"bak", "loav", "bread", "yeast"}
    assert score(check("overlap"), question, "Baking bread takes an hour.") == 0.5
    assert score(check("overlap"), question, "Use soda.") == 0
    assert score(check("overlap"), question, "Bake loaves: bread, no yeast. Bread!") == 1
    assert score(check("overlap"), "What is it?", "A thing.") == 0


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("a b c d", 2, 1.0),
        ("a b a b a", 2, 0.5),  # ab ba ab ba: 2 of 4
        ("a a a a", 1, 0.25),
        ("The the THE", 1, 1 / 3),
        ("a b", 3, 1.0),
        ("", 1, 1.0),
    ],
)
def test_repetition(text: str, n: int, expected: float) -> None:
    assert score(check("repetition", n=n), "q", text) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One two three. Four five!", 1.0),  # mean 2.5, finished
        ("One two three four five six. Seven", 0.0),  # mean 3.5, not finished
        ("One two three four five six seven eight.", -3.0),  # mean 8 over 4, finished
        ('He said "stop."', 1.0),
        ("Wait... what?!", 1.0),
        ("One two three four five six\n\nseven eight nine ten", -1.0),  # mean 5, not finished
        ("Version 1.5 is out.", 1.0),  # one sentence of 4 words
        ("   ", 0.0),
    ],
)
def test_sentences(text: str, expected: float) -> None:
    assert score(check("sentences", max_words=4), "q", text) == expected


def test_sentences_take_linear_time() -> None:
    started = time.perf_counter()
    score(check("sentences"), "q", "." * 200_000 + "a" + "\n" * 100_000 + ".)" * 50_000 + "a")
    assert time.perf_counter() - started < 5


def test_logit_is_clipped_at_full_confidence() -> None:
    words = check("words", max=5, scale=10)
    assert rule_logit(words, "q", "short", "w " * 10, 4.0) == 2.0  # 5 words too many, half the scale
    assert rule_logit(words, "q", "w " * 10, "short", 4.0) == -2.0
    assert rule_logit(words, "q", "short", "w " * 99, 4.0) == 4.0
    assert rule_logit(words, "q", "short", "also short", 4.0) == 0.0


@given(st.text(), st.text(), st.sampled_from(["lists", "overlap", "repetition", "sentences"]))
def test_every_rule_is_antisymmetric(first: str, second: str, kind: str) -> None:
    rule = check(kind)
    assert rule_logit(rule, "Some words here", first, second, 3.0) == -rule_logit(
        rule, "Some words here", second, first, 3.0
    )


def test_equal_scores_are_a_valid_vote_without_preference() -> None:
    constitution = a_constitution()
    judge, pair, principle = rules_judge(constitution), a_pair("One.", "Two."), constitution.principles[1]
    vote = judge.vote([Ask(judge.request(pair, principle, Showing("ab")), pair, principle)])[0]
    assert (vote.state, vote.logit) == ("valid", 0.0)


def test_against_turns_a_principle_round() -> None:
    lists = check("lists")
    against = Principle(id="lists", text="The answer has no lists.", polarity="against", check=lists)
    constitution = a_constitution([against, against.model_copy(update={"id": "no-lists", "polarity": "for"})])
    judge, pair = rules_judge(constitution), a_pair("- one\n- two", "one, two")
    votes = judge.vote([Ask(judge.request(pair, p, Showing("ab")), pair, p) for p in constitution.principles])
    assert [vote.logit for vote in votes] == [4.0, -4.0]


def test_principles_without_a_check_are_named_together() -> None:
    principles = [Principle(id="kind", text="Be kind."), Principle(id="calm", text="Be calm.")]
    with pytest.raises(JudgeError, match="kind, calm"):
        rules_judge(a_constitution(principles))
