"""The weight at which a principle turns a label: by hand, and that just beyond it the label is really turned."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from constitution.model import Constitution
from judge.labels import relabel
from judge.records import Label
from judge.turning import Turn, turning, winning_weight
from tests.test_aggregate import IDS, Leanings, labelled, law, logit

BEYOND = 1e-6
GRID = [2.0**k for k in range(-20, 21)]


def with_weight(constitution: Constitution, principle: str, weight: float) -> Constitution:
    changed = [p.model_copy(update={"weight": weight}) if p.id == principle else p for p in constitution.principles]
    return constitution.model_copy(update={"principles": tuple(changed)})


def side_at(label: Label, constitution: Constitution, principle: str, weight: float) -> int:
    """The oracle: relabel under the changed weight."""
    p = relabel(label, with_weight(constitution, principle, weight)).p
    return 0 if p is None else 1 if p > 0.5 else -1


WEIGHTS = st.tuples(*[st.sampled_from([0.5, 1.0, 2.0, 3.0])] * 3)
PS = st.lists(st.none() | st.sampled_from([i / 20 for i in range(1, 20)]), min_size=3, max_size=3)
RULES = st.sampled_from(
    [
        {"rule": "weighted_mean"},
        {"rule": "weighted_mean", "abstain_band": 0.07, "min_coverage": 0.6},
        {"rule": "majority", "min_coverage": 0.3},
        {"rule": "majority", "abstain_band": 0.12},
        {"rule": "priority", "priority": list(reversed(IDS)), "margin": 0.22},
        {"rule": "veto", "veto": ["second", "third"], "margin": 0.22},
        {"rule": "veto", "veto": ["third"], "margin": 0.22, "abstain_band": 0.28},
        {"rule": "random_principle"},
    ]
)


@settings(deadline=None, max_examples=300)
@example((0.5, 0.5, 0.5), {"rule": "veto", "veto": ["third"], "margin": 0.22, "abstain_band": 0.28}, [None, 0.05, 0.4])
@given(WEIGHTS, RULES, PS)
def test_the_printed_weight_turns_the_label(
    weights: tuple[float, ...], aggregation: dict[str, object], ps: list[float | None]
) -> None:
    """Just beyond it the label is on the other side, just before it is not; where none is named, none on a grid is."""
    constitution = law(weights, **aggregation)
    label = labelled(constitution, [None if p is None else logit(p) for p in ps])
    now = 0 if label.p is None else 1 if label.p > 0.5 else -1
    for principle, p, weight in zip(IDS, ps, weights, strict=True):
        own = 0 if p is None else (p > 0.5) - (p < 0.5)
        wanted = own if now == 0 else -now
        found = turning(label, constitution, principle)
        if found is None:
            # Of a label that is not there, only growing weights are asked about: less of a lukewarm opinion may leave
            # the pair to others on the same side, which is not this principle's doing.
            tried = [x for x in GRID if now != 0 or x > 1]
            assert own == 0 or all(side_at(label, constitution, principle, weight * x) != wanted for x in tried)
            continue
        assert found.times == pytest.approx(found.weight / weight)
        assert (found.direction == "above") == (own == wanted)
        factor = 1 + BEYOND if found.direction == "above" else 1 - BEYOND
        assert side_at(label, constitution, principle, found.weight * factor) == wanted
        assert side_at(label, constitution, principle, found.weight / factor) != wanted


@settings(deadline=None, max_examples=200)
@given(WEIGHTS, RULES, PS)
def test_above_its_winning_weight_a_principle_has_its_way(
    weights: tuple[float, ...], aggregation: dict[str, object], ps: list[float | None]
) -> None:
    constitution = law(weights, **aggregation)
    label = labelled(constitution, [None if p is None else logit(p) for p in ps])
    for principle, p, weight in zip(IDS, ps, weights, strict=True):
        found, own = winning_weight(label, constitution, principle), 0 if p is None else (p > 0.5) - (p < 0.5)
        if found is None:
            assert own == 0 or side_at(label, constitution, principle, weight * GRID[-1]) != own
            continue
        for probe in (weight * x for x in GRID if abs(weight * x - found) > 1e-9 * found):
            assert (side_at(label, constitution, principle, probe) == own) == (probe > found), (principle, probe)


def found_by_hand(leanings: Leanings, principle: str, **aggregation: object) -> Turn | None:
    constitution = law((2.0, 1.0, 1.0), **aggregation)
    return turning(labelled(constitution, leanings), constitution, principle)


def test_weighted_mean_by_hand() -> None:
    """2 x 0.3 - 1 x 0.2 - 1 x 0.1 = 0.3: the first turns it below 0.3 / 0.3, the second above 0.5 / 0.2."""
    leanings: Leanings = [logit(0.8), logit(0.3), logit(0.4)]
    assert found_by_hand(leanings, "first") == Turn(pytest.approx(1.0), "below", pytest.approx(0.5))
    assert found_by_hand(leanings, "second") == Turn(pytest.approx(2.5), "above", pytest.approx(2.5))
    assert found_by_hand(leanings, "third") == Turn(pytest.approx(4.0), "above", pytest.approx(4.0))
    assert found_by_hand([logit(0.8), 0.0, logit(0.9)], "second") is None, "it is even"
    assert found_by_hand([logit(0.8), None, logit(0.9)], "second") is None, "it has no opinion"
    assert found_by_hand([logit(0.8), logit(0.6), logit(0.9)], "first") is None, "the others say the same"


def test_an_abstain_band_must_be_crossed() -> None:
    """With p = 0.8, 0.3, 0.4 and a band of 0.05 the second needs w (0.2 - 0.05) > 0.05 x 3 + 0.5."""
    found = found_by_hand([logit(0.8), logit(0.3), logit(0.4)], "second", abstain_band=0.05)
    assert found == Turn(pytest.approx(0.65 / 0.15), "above", pytest.approx(0.65 / 0.15))
    assert found_by_hand([logit(0.8), logit(0.3), logit(0.46)], "third", abstain_band=0.05) is None, "within the band"


def test_majority_by_hand() -> None:
    """First 2 for a, second and third 1 each for b: even. The first needs more than 2; more than 1 turns it to b."""
    leanings: Leanings = [logit(0.6), logit(0.3), logit(0.4)]
    assert found_by_hand(leanings, "first", rule="majority") == Turn(pytest.approx(2.0), "above", pytest.approx(1.0))
    assert found_by_hand(leanings, "second", rule="majority") == Turn(pytest.approx(1.0), "above", pytest.approx(1.0))


def test_where_order_or_a_veto_decides_no_weight_does() -> None:
    leanings: Leanings = [logit(0.8), logit(0.3), logit(0.2)]
    assert found_by_hand(leanings, "first", rule="priority", priority=list(IDS)) is None
    assert found_by_hand(leanings, "first", rule="veto", veto=["third"]) is None
    assert found_by_hand(leanings, "third", rule="veto", veto=["third"]) is None
    both = found_by_hand([3.0, logit(0.9), logit(0.2)], "first", rule="veto", veto=["second"])
    assert both is None


def test_a_weight_of_zero_has_no_multiple() -> None:
    constitution = law((0.0, 1.0, 1.0))
    label = labelled(constitution, [logit(0.9), logit(0.3), logit(0.5)])
    assert turning(label, constitution, "first") == Turn(pytest.approx(0.5), "above", None)
