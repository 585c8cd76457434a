"""The weight at which one principle turns a label, all else unchanged: in closed form, from the label's own shares.

Under a mean, p - 1/2 = (S + w x) / (V + w), where w is the principle's weight, x its p_k - 1/2 (by majority the side it
takes, plus or minus 1/2), and V and S are the sums of the others' weights and of weight times x. The label is on side
s where s (p - 1/2) > b, b the abstain band; that is w (s x - b) > b V - s S, one bound on w. Under `veto` the mean is
over the principles that decided. Under `random_principle` a principle is drawn once its weight is above -log(u) / t, t
being when the first of the others arrives (see judge/aggregate.py). Under `priority` order decides, not weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from constitution.model import Constitution
from judge.aggregate import UNDECIDED_WITHIN, arrival, is_sure, side
from judge.labels import opinions_in
from judge.pivotal import lean, standing, weights_in_scope, without
from judge.records import Label


class Turn(NamedTuple):
    """Where a label turns to the other side; where there is none, where one appears on the principle's own side."""

    weight: float
    """In the constitution's own units, not normalised."""
    direction: Literal["above", "below"]
    times: float | None
    """The same as a multiple of the principle's weight; None if that is 0."""


class _Scale(NamedTuple):
    """What a mean is taken of beside one principle: its own x, and the others' V and S."""

    x: float
    others: float
    pull: float
    floor: float
    """The weight below which the pair has no label for want of coverage; infinite if it never has one."""


def turning(label: Label, constitution: Constitution, principle: str) -> Turn | None:
    """The weight at which this principle, all others as they are, turns the label.

    None where no weight does: it has no opinion here or is even, others decide alone, or the rule goes by order. Of a
    pair without a label only more weight is asked about.
    """
    now, own = standing(label, constitution), _own_side(label, principle)
    weight = weights_in_scope(label, constitution).get(principle)
    if weight is None or own == 0:
        return None
    if now.p is not None and side(now.p) == own:
        found = _losing_weight(label, constitution, principle, own)
        return None if found is None else Turn(found, "below", found / weight if weight else None)
    found = winning_weight(label, constitution, principle)
    if found is None or found < weight:
        return None
    return Turn(found, "above", found / weight if weight else None)


def winning_weight(label: Label, constitution: Constitution, principle: str) -> float | None:
    """The weight above which the label is on this principle's side; 0 if it is at any weight, None if at none."""
    own, rule = _own_side(label, principle), constitution.aggregation.rule
    if own == 0:
        return None
    if rule == "random_principle":
        return _winning_draw(label, constitution, principle, own)
    scale = _scale(label, constitution, principle)
    if scale is None:
        now = standing(label, constitution)
        return 0.0 if now.p is not None and side(now.p) == own else None
    reach = own * scale.x - _band(constitution)
    if reach <= 0 or math.isinf(scale.floor):
        return None
    return max(0.0, (_band(constitution) * scale.others - own * scale.pull) / reach, scale.floor)


def _winning_draw(label: Label, constitution: Constitution, principle: str, own: int) -> float | None:
    if abs(opinions_in(label)[principle].p - 0.5) <= _band(constitution):
        return None
    rest = without(label, constitution, (principle,))
    agreed = rest.p is not None and side(rest.p) == own
    return 0.0 if agreed else _draw_weight(label, constitution, principle)


def _losing_weight(label: Label, constitution: Constitution, principle: str, own: int) -> float | None:
    """The weight below which the label is on the other side than this principle's."""
    if constitution.aggregation.rule == "random_principle":
        rest = without(label, constitution, (principle,))
        turns = rest.p is not None and side(rest.p) == -own
        return (
            _draw_weight(label, constitution, principle) if turns and _drawn(label, constitution, principle) else None
        )
    scale = _scale(label, constitution, principle)
    if scale is None:
        return None
    band = _band(constitution)
    found = (-own * scale.pull - band * scale.others) / (band + own * scale.x)
    return found if found > max(0.0, scale.floor) else None


def _own_side(label: Label, principle: str) -> int:
    opinion = opinions_in(label).get(principle)
    return side(opinion.p) if opinion else 0


def _band(constitution: Constitution) -> float:
    return max(constitution.aggregation.abstain_band, UNDECIDED_WITHIN)


def _scale(label: Label, constitution: Constitution, principle: str) -> _Scale | None:
    """None where the principle's weight does not act: by `priority`, or where others have vetoed, or vetoes clash."""
    rule, weights = constitution.aggregation, weights_in_scope(label, constitution)
    leaning = {share.principle: lean(share, rule) for share in label.shares if share.principle in weights}
    deciding = _deciding(label, constitution)
    if deciding is None or (deciding and principle not in deciding):
        return None
    rest = {i: weights[i] for i in deciding or leaning if i != principle}
    pull = math.fsum(weight * leaning[i] for i, weight in rest.items())
    floor = 0.0 if deciding else _coverage_floor(label, weights, principle, rule.min_coverage)
    return _Scale(leaning[principle], math.fsum(rest.values()), pull, floor)


def _deciding(label: Label, constitution: Constitution) -> set[str] | None:
    """Those whose mean decides alone; empty where it is everyone's; None where no mean decides."""
    rule, weights = constitution.aggregation, weights_in_scope(label, constitution)
    if rule.rule == "priority":
        return None
    given = opinions_in(label)
    entitled = [i for i in rule.veto if weights.get(i)]
    if any(i not in given for i in entitled):
        return None
    sure = {i for i in entitled if is_sure(given[i].p, rule)}
    return sure if len({side(given[i].p) for i in sure}) < 2 else None


def _coverage_floor(label: Label, weights: Mapping[str, float], principle: str, coverage: float) -> float:
    """V + w >= c (V + w + M), M being the weight in scope without an opinion."""
    valid = math.fsum(weights[share.principle] for share in label.shares if share.principle in weights)
    others, missing = valid - weights[principle], math.fsum(weights.get(i, 0.0) for i, _ in label.missing)
    if coverage == 1:
        return math.inf if missing else 0.0
    return max(0.0, coverage * missing / (1 - coverage) - others)


def _draw_weight(label: Label, constitution: Constitution, principle: str) -> float:
    """The weight above which the principle is drawn for this pair."""
    assert label.comparison is not None, "nothing to draw by"
    weights = weights_in_scope(label, constitution)
    times = [arrival(label.comparison, i, w) for i, w in weights.items() if w > 0 and i != principle]
    return arrival(label.comparison, principle, 1.0) / min(times) if times else 0.0


def _drawn(label: Label, constitution: Constitution, principle: str) -> bool:
    return weights_in_scope(label, constitution)[principle] > _draw_weight(label, constitution, principle)
