"""Label sets against relabel with a constitution written out by hand; planted principles; what changed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.model import Aggregation, Constitution, Principle
from judge.label_sets import (
    LabelSet,
    Planted,
    compare_labels,
    labels_digest,
    labels_under,
    players,
    real_set,
    training_labels,
)
from judge.labels import relabel
from judge.records import Label, Share

IDS = ("brave", "calm", "dry", "plain")
WEIGHTS = (2.0, 1.0, 0.5, 0.0)


def constitution(rule: Aggregation | None = None, weights: tuple[float, ...] = WEIGHTS) -> Constitution:
    principles = tuple(Principle(id=i, text=f"Be {i}.", weight=w) for i, w in zip(IDS, weights, strict=True))
    return Constitution(name="test", principles=principles, aggregation=rule or Aggregation())


def make_labels(count: int, under: Constitution, seed: int = 0) -> list[Label]:
    """Labels with shares, some principles missing; p by the constitution's own rule."""
    draw = random.Random(seed)
    found = []
    for index in range(count):
        voted = [i for i in IDS if draw.random() < 0.8] or [IDS[0]]
        label = Label(
            pair_key=f"pair-{index}",
            constitution=under.key,
            judge="j",
            rule=under.aggregation.rule,
            p=None,
            reason="coverage",
            comparison=f"both-{index}",
            shares=tuple(Share(principle=i, weight=0, p=draw.choice([0.02, 0.3, 0.5, 0.8, 0.99])) for i in voted),
            missing=tuple((i, "failed: timeout") for i in IDS if i not in voted),
        )
        found.append(relabel(label, under))
    return found


RULES = (
    Aggregation(),
    Aggregation(rule="majority"),
    Aggregation(rule="random_principle"),
    Aggregation(rule="priority", priority=("calm", "brave", "dry")),
    Aggregation(rule="veto", veto=("dry",)),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_all_principles_give_the_runs_labels_bit_for_bit(rule: Aggregation) -> None:
    whole = constitution(rule)
    labels = make_labels(60, whole)
    again = labels_under(labels, whole, real_set(whole))
    assert [(a.p, a.reason, a.shares) for a in again] == [(b.p, b.reason, b.shares) for b in labels]


@pytest.mark.parametrize(
    ("rule", "by_hand"),
    [
        (Aggregation(), Aggregation()),
        (Aggregation(rule="random_principle"), Aggregation(rule="random_principle")),
        (
            Aggregation(rule="priority", priority=("calm", "dry", "brave")),
            Aggregation(rule="priority", priority=("calm", "brave")),
        ),
        (Aggregation(rule="veto", veto=("dry",)), Aggregation()),
        (Aggregation(rule="veto", veto=("dry", "calm")), Aggregation(rule="veto", veto=("calm",))),
    ],
    ids=lambda rule: rule.rule,
)
def test_leaving_one_out_is_relabel_with_a_constitution_that_lacks_it(rule: Aggregation, by_hand: Aggregation) -> None:
    whole = constitution(rule)
    labels = make_labels(60, whole)
    lacking = Constitution(
        name="test", principles=tuple(p for p in whole.principles if p.id != "dry"), aggregation=by_hand
    )
    found = training_labels(labels, whole, real_set(whole).without("dry"))
    assert found == {label.pair_key: relabel(label, lacking).p for label in labels}
    assert found != {label.pair_key: label.p for label in labels}


def test_a_principle_without_weight_is_no_player_and_nothing_at_all_labels_nothing() -> None:
    whole = constitution()
    labels = make_labels(10, whole)
    assert players(whole) == ["brave", "calm", "dry"]
    assert training_labels(labels, whole, LabelSet(weights={})) == {label.pair_key: None for label in labels}
    assert training_labels(labels, whole, LabelSet(weights={"plain": 0.0})) == dict.fromkeys(
        [label.pair_key for label in labels]
    )


@given(
    weights=st.tuples(*[st.floats(0.1, 4) for _ in IDS]),
    model=st.sampled_from(IDS),
    rule=st.sampled_from(RULES[:2]),
)
def test_a_principle_entered_twice_at_half_the_weight_changes_no_label(
    weights: tuple[float, ...], model: str, rule: Aggregation
) -> None:
    whole = constitution(rule, weights)
    labels = make_labels(20, whole)
    full = real_set(whole)
    copy = Planted(id="copy", kind="copy", of=model)
    half = full.weights[model] / 2
    double = LabelSet(weights={**full.weights, model: half, "copy": half}, planted=(copy,))
    real, both = (training_labels(labels, whole, one) for one in (full, double))
    assert [p is None for p in real.values()] == [p is None for p in both.values()]
    assert both == pytest.approx(real, abs=1e-12)
    one, other = (training_labels(labels, whole, double.without(i)) for i in (model, "copy"))
    assert one == pytest.approx(other, abs=1e-12)


def test_a_sham_has_its_models_confidence_and_a_coins_sides() -> None:
    whole = constitution()
    labels = make_labels(400, whole)
    sham = Planted(id="sham", kind="sham", of="brave", seed=1)
    full = real_set(whole)
    planted = LabelSet(weights={**full.weights, "sham": 2.0}, planted=(sham,))
    sides = []
    for before, after in zip(labels, labels_under(labels, whole, planted), strict=True):
        real = {share.principle: share for share in before.shares}
        now = {share.principle: share for share in after.shares}
        assert ("sham" in now) == ("brave" in real)
        assert ("sham" in dict(after.missing)) == ("brave" in dict(before.missing))
        if "sham" in now:
            assert abs(now["sham"].p - 0.5) == pytest.approx(abs(real["brave"].p - 0.5))
            assert now["sham"].weight == now["brave"].weight
            if real["brave"].p != 0.5:
                sides.append(now["sham"].p == real["brave"].p)
    # 4 standard deviations of a fair coin.
    assert abs(sum(sides) - len(sides) / 2) < 2 * len(sides) ** 0.5
    other = LabelSet(weights=planted.weights, planted=(sham.model_copy(update={"seed": 2}),))
    assert training_labels(labels, whole, planted) != training_labels(labels, whole, other)
    assert training_labels(labels, whole, planted) == training_labels(labels, whole, planted)


def test_what_changed_by_hand() -> None:
    before = {"a": 0.9, "b": 0.6, "c": None, "d": 0.2, "e": None, "f": 0.7}
    after = {"a": 0.9, "b": 0.3, "c": 0.8, "d": None, "e": None, "f": 0.9}
    found = compare_labels(before, after)
    assert found[:5] == (6, 2, 1, 1, 1)
    assert found.mean_change == pytest.approx((0 + 0.3 + 0.2) / 3)


def test_the_digest_is_of_what_is_trained_on() -> None:
    assert labels_digest({"b": 0.5, "a": None}) == labels_digest({"b": 0.5})
    assert labels_digest({"b": 0.5}) != labels_digest({"b": 0.25})
