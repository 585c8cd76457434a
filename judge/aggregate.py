"""The aggregation rules: from the principles' shares of one pair to its p. Which rule holds, the constitution says.

Each is antisymmetric: the same votes on the pair turned round give 1 - p. Sums are `math.fsum`, exact and independent
of order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from constitution.identity import digest
from constitution.model import Aggregation, Rule
from judge.records import Share

UNDECIDED_WITHIN = 1e-9
"""Rounding of normalised weights must not decide a pair that the votes leave at one half."""
DRAW_BITS = 52


class Heard(NamedTuple):
    """One pair: the shares of the principles with an opinion, and the weights of all in scope, with one or without."""

    shares: Sequence[Share]
    weights: Mapping[str, float]
    comparison: str | None
    """The pair's identity whichever response stands first: what `random_principle` draws by."""


class Outcome(NamedTuple):
    """p, or the reason for none; `decided_by` names the principles that decided alone, where the rule lets them."""

    p: float | None
    reason: str | None = None
    decided_by: tuple[str, ...] = ()


COVERAGE = Outcome(None, "coverage")
UNDECIDED = Outcome(None, "undecided")


def aggregate(heard: Heard, rule: Aggregation) -> Outcome:
    """The label's p by the constitution's rule."""
    if not any(heard.weights.values()):
        return Outcome(None, "no_principle_applies")
    found = RULES[rule.rule](heard, rule)
    if found.p is not None and abs(found.p - 0.5) <= max(rule.abstain_band, UNDECIDED_WITHIN):
        return UNDECIDED
    return found


def weighted_mean(shares: Iterable[Share]) -> float:
    """p = sum of w_k p_k: the one function that makes p and that checks it. The sum is exact, then rounded once."""
    return min(1.0, math.fsum(share.weight * share.p for share in shares))


def _by_weighted_mean(heard: Heard, rule: Aggregation) -> Outcome:
    return Outcome(weighted_mean(heard.shares)) if _covered(heard, rule) else COVERAGE


def _by_majority(heard: Heard, rule: Aggregation) -> Outcome:
    """The weight of the principles for `a`; one exactly at one half counts half for each."""
    if not _covered(heard, rule):
        return COVERAGE
    return Outcome(min(1.0, math.fsum(share.weight * (1 + side(share.p)) / 2 for share in heard.shares)))


def _by_priority(heard: Heard, rule: Aggregation) -> Outcome:
    """The first that is sure. A vote missing above it might have decided otherwise: no label then."""
    given = {share.principle: share.p for share in heard.shares}
    for principle in rule.priority:
        if not heard.weights.get(principle):
            continue
        if principle not in given:
            return COVERAGE
        if is_sure(given[principle], rule):
            return Outcome(given[principle], None, (principle,))
    return UNDECIDED


def _by_veto(heard: Heard, rule: Aggregation) -> Outcome:
    """The weighted mean of the sure principles with a veto; of all where none is sure; none where they clash."""
    given = {share.principle for share in heard.shares}
    if any(heard.weights.get(principle) and principle not in given for principle in rule.veto):
        return COVERAGE
    sure = [s for s in heard.shares if s.principle in rule.veto and s.weight > 0 and is_sure(s.p, rule)]
    if not sure:
        return _by_weighted_mean(heard, rule)
    if len({side(share.p) for share in sure}) > 1:
        return Outcome(None, "vetoed")
    p = math.fsum(share.weight * share.p for share in sure) / math.fsum(share.weight for share in sure)
    return Outcome(min(1.0, p), None, tuple(share.principle for share in sure))


def _by_random_principle(heard: Heard, rule: Aggregation) -> Outcome:
    """One principle a comparison, as in the Constitutional AI paper (arXiv 2212.08073, section 4.1).

    Each principle in scope draws a number from the pair's content and its own id, and the first in an exponential race
    decides (Efraimidis and Spirakis 2006), so leaving one out changes only the pairs that it decided.
    """
    assert heard.comparison is not None, "nothing to draw by"
    drawn = min((arrival(heard.comparison, i, weight), i) for i, weight in heard.weights.items() if weight > 0)[1]
    decided = [Outcome(share.p, None, (drawn,)) for share in heard.shares if share.principle == drawn]
    return decided[0] if decided else COVERAGE


def arrival(comparison: str, principle: str, weight: float) -> float:
    """-log(u) / weight, u uniform in (0, 1) by content: under `random_principle` the first to arrive decides."""
    u = (int(digest("draw", comparison=comparison, principle=principle)[: DRAW_BITS // 4], 16) + 0.5) / 2**DRAW_BITS
    return -math.log(u) / weight


RULES: dict[Rule, Callable[[Heard, Aggregation], Outcome]] = {
    "weighted_mean": _by_weighted_mean,
    "majority": _by_majority,
    "priority": _by_priority,
    "veto": _by_veto,
    "random_principle": _by_random_principle,
}


def _covered(heard: Heard, rule: Aggregation) -> bool:
    """Whether enough of the weight in scope has an opinion."""
    valid = math.fsum(heard.weights[share.principle] for share in heard.shares)
    return valid > 0 and valid >= rule.min_coverage * math.fsum(heard.weights.values())


def side(p: float) -> int:
    """1 for the pair's first answer, -1 for its second, 0 for neither."""
    return 0 if abs(p - 0.5) <= UNDECIDED_WITHIN else 1 if p > 0.5 else -1


def is_sure(p: float, rule: Aggregation) -> bool:
    """Whether p is far enough from one half to decide under `priority` and `veto`."""
    return abs(p - 0.5) > max(rule.margin, UNDECIDED_WITHIN)
