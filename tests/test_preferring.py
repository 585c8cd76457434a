"""A run in which hardly a pair has a preference says so."""

from __future__ import annotations

from judge.preferring import preference_warnings


def test_half_with_a_preference_is_enough_and_fewer_are_said_with_their_reasons() -> None:
    assert preference_warnings({}) == []
    assert preference_warnings({"labelled": 1, "not_selected": 1, "undecided": 2}) == []
    assert preference_warnings({"labelled": 12, "not_selected": 24}) == []
    (said,) = preference_warnings({"labelled": 1, "not_selected": 1, "undecided": 3, "no_principle_applies": 31})
    assert said.startswith("34 of 36 pairs have no preference (3 undecided, 31 no principle applies), so that little")
