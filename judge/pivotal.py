"""What a label would be without some of its principles, and what each of them adds to it. Asks no judge, reads no file.

Everything is made again from the label's own shares (see judge/labels.py), under any of the five rules. "The label" is
what the rule says of the votes: that `best_worst` trained on another pair of the prompt does not count here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from constitution.model import Aggregation, Constitution
from judge.aggregate import RULES, Heard, Outcome, aggregate, side
from judge.labels import opinions_in, weighed
from judge.records import Label, Share

Change = Literal["same", "flips", "vanishes", "appears"]
"""`flips`: the other answer is preferred. `vanishes`: there is no label any more. `appears`: there was none."""
PIVOTAL: frozenset[Change] = frozenset({"flips", "vanishes"})
MOST_SETS = 20_000
"""Sets of principles that a search for the smallest one may try."""


class Turned(NamedTuple):
    """The smallest sets of principles that must be left out for the label to turn; all of one size."""

    sets: tuple[tuple[str, ...], ...]
    tried: int
    """Sets of up to so many principles were tried, every one of them."""


def weights_in_scope(label: Label, constitution: Constitution) -> dict[str, float]:
    """The weights of the principles that apply to the pair, those without an opinion included."""
    known = {share.principle for share in label.shares} | dict(label.missing).keys()
    return {principle.id: principle.weight for principle in constitution.principles if principle.id in known}


def outcome(label: Label, weights: Mapping[str, float], rule: Aggregation) -> Outcome:
    """What the rule makes of the label's votes under these weights; a principle without one here has no say."""
    return aggregate(_heard(label, weights), rule)


def standing(label: Label, constitution: Constitution) -> Outcome:
    """What the constitution makes of the label's votes. For a label that was not selected: its p all the same."""
    return outcome(label, weights_in_scope(label, constitution), constitution.aggregation)


def without(label: Label, constitution: Constitution, left_out: Collection[str]) -> Outcome:
    """The same without these principles: what `relabel` gives under a constitution that lacks them."""
    weights = weights_in_scope(label, constitution)
    return outcome(label, {i: w for i, w in weights.items() if i not in left_out}, constitution.aggregation)


def change(before: Outcome, after: Outcome) -> Change:
    """What became of the label."""
    if before.p is None or after.p is None:
        return "same" if before.p == after.p else "appears" if before.p is None else "vanishes"
    return "same" if side(before.p) == side(after.p) else "flips"


def change_without(label: Label, constitution: Constitution, left_out: Collection[str]) -> Change:
    """What becomes of the label when these principles are left out; a principle is pivotal where one does it alone."""
    return change(standing(label, constitution), without(label, constitution, left_out))


def parts(label: Label, constitution: Constitution) -> dict[str, float]:
    """Each principle's signed part of p - 1/2, above 0 towards `a`; they add up to it.

    By weighted mean w_k (p_k - 1/2); by majority w_k times plus or minus 1/2; under the other rules those that decided
    alone share p - 1/2 by their weights and the others have 0. Empty where the rule finds no p to be split.
    """
    heard, rule = _heard(label, weights_in_scope(label, constitution)), constitution.aggregation
    found = RULES[rule.rule](heard, rule) if any(heard.weights.values()) else None
    if found is None or found.p is None:
        return {}
    acting = [share for share in heard.shares if not found.decided_by or share.principle in found.decided_by]
    total = math.fsum(share.weight for share in acting)
    said = {share.principle: share.weight / total * lean(share, rule) for share in acting}
    return {share.principle: said.get(share.principle, 0.0) for share in heard.shares}


def lean(share: Share, rule: Aggregation) -> float:
    """What the mean is taken of, less one half: p_k, or by majority only the side that it takes."""
    return side(share.p) / 2 if rule.rule == "majority" else share.p - 0.5


def smallest_sets(label: Label, constitution: Constitution, most: int = MOST_SETS) -> Turned:
    """The smallest sets of principles without which the label flips; where there is no label, one appears."""
    wanted: Change = "appears" if standing(label, constitution).p is None else "flips"
    weighty = sorted(i for i, weight in weights_in_scope(label, constitution).items() if weight > 0)
    tried = 0
    for size in _sizes(len(weighty), most):
        found = [chosen for chosen in combinations(weighty, size) if _becomes(label, constitution, chosen, wanted)]
        tried = size
        if found:
            return Turned(tuple(found), size)
    return Turned((), tried)


def _sizes(count: int, most: int) -> Iterator[int]:
    """1, 2, ... as long as all sets up to that size are at most `most`; the set of all principles leaves nobody."""
    total = 0
    for size in range(1, count):
        total += math.comb(count, size)
        if total > most:
            return
        yield size


def _becomes(label: Label, constitution: Constitution, left_out: Sequence[str], wanted: Change) -> bool:
    return change_without(label, constitution, left_out) == wanted


def _heard(label: Label, weights: Mapping[str, float]) -> Heard:
    return Heard(weighed(opinions_in(label), weights), weights, label.comparison)
