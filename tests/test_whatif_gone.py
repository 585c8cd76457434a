"""How much of a principle's weight an edit takes away: what a correction by retrainings without it is scaled by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.whatif import gone_of

OLD = {"a": 4.0, "b": 2.0, "c": 1.0, "muted": 0.0}


@pytest.mark.parametrize(
    ("left", "gone"),
    [
        ({"a": 4, "b": 2, "c": 1}, {"a": 0, "b": 0, "c": 0}),
        ({"a": 4, "b": 2}, {"a": 0, "b": 0, "c": 1}),
        ({"a": 2, "b": 2, "c": 1}, {"a": 0.5, "b": 0, "c": 0}),
        ({"a": 2, "b": 6, "c": 1}, {"a": 0.5, "b": 0, "c": 0}),
        ({"a": 1, "b": 0.5, "c": 0.25}, {"a": 0, "b": 0, "c": 0}),
        ({"c": 1}, {"a": 1, "b": 1, "c": 0}),
        ({}, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_by_hand(left: dict[str, float], gone: dict[str, float]) -> None:
    assert gone_of(OLD, left) == gone


@given(
    left=st.fixed_dictionaries(dict.fromkeys("abc", st.integers(0, 9))), factor=st.sampled_from([0.1, 0.5, 3.0, 70.0])
)
def test_a_factor_on_all_weights_takes_nothing_away(left: dict[str, int], factor: float) -> None:
    scaled = {name: weight * factor for name, weight in left.items()}
    assert gone_of(OLD, scaled) == pytest.approx(gone_of(OLD, {name: float(w) for name, w in left.items()}), abs=1e-9)
