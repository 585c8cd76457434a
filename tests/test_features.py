"""Features of single answers, counted by hand."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generate.records import Response
from reports.features import FEATURES, first_person_rate, is_refusal, list_share, repetition, words_of


def answer(text: str, finish: Literal["stop", "length"] = "stop", tokens: int = 9) -> Response:
    return Response(prompt_key="p", text=text, finish=finish, tokens=tokens, sampler="s", seed=0, index=0)


def test_words_keep_their_hyphens_and_apostrophes() -> None:
    words = words_of("Don't re-heat it -- 2 times, naïve_one!")
    assert words == ["don't", "re-heat", "it", "2", "times", "naïve", "one"]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("Plain prose.\n\nMore prose.", 0.0),
        ("Steps:\n- one\n* two\n+ three", 0.75),
        ("# Title\n\n1. one\n2) two\n(a) three", 1.0),
        ("-5 degrees is cold\n3.14 is pi\nA.B. wrote it", 0.0),
    ],
)
def test_list_lines_are_counted_by_line(text: str, share: float) -> None:
    assert list_share(text) == share


def test_repetition_counts_three_word_sequences_that_occurred_before() -> None:
    """a b c a b c: the sequences abc, bca, cab, abc; one of four is a repeat."""
    assert repetition("A b c, a b c") == pytest.approx(0.25)
    assert repetition("all of these words differ") == 0.0
    assert repetition("too short") == 0.0
    assert repetition("no no no no no no") == pytest.approx(0.75)


def test_a_refusal_shows_in_the_opening_only() -> None:
    assert is_refusal("I’m sorry, but I can’t help with that.")
    assert not is_refusal("Boil the egg for seven minutes.")
    assert not is_refusal("Boil it. " * 30 + "I cannot say more.")


def test_first_person_is_a_rate_per_hundred_words() -> None:
    assert first_person_rate("I think my cat is mine") == pytest.approx(50.0)
    assert first_person_rate("In it, the item might mime") == 0.0
    assert first_person_rate("") == 0.0


def test_every_feature_of_one_answer() -> None:
    measured = {feature.id: feature.measure(answer("I can't.\n- no", "length", 7)) for feature in FEATURES}
    assert measured == {
        "words": 3.0,
        "tokens": 7.0,
        "list_share": 0.5,
        "repetition": 0.0,
        "refusal": 1.0,
        "finished": 0.0,
        "first_person": pytest.approx(100 / 3),
    }


@settings(deadline=None)
@given(text=st.text(max_size=200))
def test_shares_stay_shares_whatever_the_model_says(text: str) -> None:
    for feature in FEATURES:
        value = feature.measure(answer(text))
        assert value >= 0
        assert feature.kind == "number" or value <= 1
