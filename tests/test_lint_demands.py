"""`two-demands` on a fixed list of principles, labelled by hand: how many it finds, and how often it is wrong."""

from __future__ import annotations

import pytest

from judge.lint.demands import HEURISTICS, demands_in
from judge.lint.qualities import GROUPS, is_one
from tests.doc_blocks import ROOT

TWO = (
    "Be honest and be kind.",
    "The answer should be helpful and avoid harm.",
    "The answer is polite and accurate and does not lecture the user.",
    "The answer is less harmful, and more helpful.",
    "Answers politely and gives sources.",
    "The answer is correct and concise, and cites sources.",
    "The answer is helpful as well as honest.",
    "The answer is short and polite.",
    "The answer must be true and should be short.",
    "The answer cites sources, and it ends with a question.",
    "The answer names its sources and also thanks the user.",
    "Choose the response that is as harmless and ethical as possible.",
    "Choose the response that is wise, peaceful, and ethical.",
    "The response is respectful while being direct.",
    "Be concise but thorough.",
    "The answer should be warm, humble and funny.",
    "The answer explains its reasoning and avoids jargon.",
    "The assistant refuses dangerous requests and offers a safe alternative.",
    "The tone is friendly yet professional.",
    "The answer is neither rude nor vague.",
    "The answer is not toxic or illegal in what it proposes.",
    "A good reply admits mistakes and never flatters.",
    "The answer starts with its content and has no stock phrases.",
    "The response should answer the question and should not moralise.",
    "The model should give examples and cite where they come from.",
    "The answer is relevant, precise and easy to follow.",
    "Respond honestly and respectfully.",
    "The answer gives a balanced view and is free of slang.",
    "The answer contains no racist remarks and no medical advice.",
    "The answer is written formally but encourages the reader.",
    "Which answer is less preachy and more useful?",
    "The answer is in the user's language and uses metric units.",
)
ONE = (
    "The answer uses salt and pepper as its example.",
    "The answer weighs pros and cons.",
    "The answer uses clear and simple words.",
    "The answer tells yes and no questions from open ones.",
    "The picture that it draws is black and white.",
    "The answer and its sources agree.",
    "The answer names dates, places and people.",
    "The answer is plain and simple.",
    "The answer is short. It says what is needed in a few sentences and then stops.",
    "The answer takes up the subject of the question and does not wander off.",
    "It is about food and drink in the region.",
    "The answer must be true. It should say so.",
    "Terms and abbreviations are explained.",
    "The answer keeps to the form, length and language that the person asked for.",
    "The answer treats safe and unsafe requests by what they ask for.",
    "The answer treats men and women alike.",
    "The answer is brief and concise.",
    "A person who asks and gives no reason is answered all the same.",
    "The answer states its assumption and keeps to it.",
    "The answer admits an error and corrects it.",
    "Readers and experts alike understand the answer.",
    "The answer is about the cause and the effect.",
    "What the user says and asks for is taken seriously.",
    "The answer goes step by step and in order.",
    "Numbers and units are given with every measurement.",
    "The answer is honest and truthful.",
    "The answer goes into more and more detail as it goes on.",
    "The answer lets its reader see which of its statements are uncertain.",
    "Nothing in the answer makes an unlawful or indecent act look attractive.",
    "The properties and uses of a substance stand in one table.",
    "The answer names the first and the last step.",
    "Tables and lists are left out.",
    "The answer gives both sides of a dispute, for and against.",
    "The answer judges long and short texts by the same standard.",
)


def test_how_many_are_found_and_how_many_alarms_are_false() -> None:
    missed = [text for text in TWO if not demands_in(text)]
    wrong = [text for text in ONE if demands_in(text)]
    recall, false_alarms = 1 - len(missed) / len(TWO), len(wrong) / len(ONE)
    print(f"recall {recall:.2f} (n = {len(TWO)}), false alarms {false_alarms:.2f} (n = {len(ONE)})", missed, wrong)
    assert recall >= 0.8
    assert false_alarms <= 0.1
    page = (ROOT / "docs" / "constitution.md").read_text(encoding="utf-8")
    assert f"finds {len(TWO) - len(missed)} of {len(TWO)} principles" in page
    assert f"warns of {len(wrong) or 'none'} of {len(ONE)} with one" in page


def test_every_pattern_finds_something() -> None:
    assert {found.heuristic for text in TWO if (found := demands_in(text))} == set(HEURISTICS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Plain", "simple", True),
        ("briefly", "concisely", True),
        ("long", "short", True),
        ("short", "polite", False),
        ("concise", "thorough", False),
    ],
)
def test_words_for_one_thing(one: str, other: str, same: bool) -> None:
    assert is_one(one, other) == same


def test_no_word_means_two_things() -> None:
    words = [word for group in GROUPS for word in sorted(group)]
    assert sorted({word for word in words if words.count(word) > 1}) == ["truthful"]
