"""From votes to labels: both orders combined in logit space, principles by the constitution's rule, shares kept.

A label keeps the share of every principle, so that other weights, or a constitution without some of them, need no vote:
`relabel`. Sums are `math.fsum`, exact and independent of order, so p is reproduced bit for bit from the shares.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constitution.identity import digest
from constitution.model import Constitution, Principle
from generate.records import Pair, Response
from judge.aggregate import Heard, aggregate, weighted_mean
from judge.ask import in_scope
from judge.calibration import Applied, calibrated
from judge.interface import Judge, Showing, preferred
from judge.records import Label, Order, Share, Vote


class Preference(NamedTuple):
    """One principle's view of one pair: logit > 0 prefers `a`.

    `position_bias` > 0 leans to what was shown first; from `preference` it is of preferences, after polarity.
    """

    logit: float
    position_bias: float | None

    @property
    def p(self) -> float:
        """The probability that `a` is better."""
        return probability(self.logit)


class Missing(NamedTuple):
    """Why a principle has no view of a pair."""

    reason: str


class Opinion(NamedTuple):
    """One principle's p_k (that `a` is better) and position bias, before weights."""

    p: float
    position_bias: float | None


class Oriented(NamedTuple):
    """A labelled pair turned so that p >= 1/2: `shares` are of `chosen` being better."""

    chosen: Response
    rejected: Response
    p: float
    shares: tuple[Share, ...]


class _Source(NamedTuple):
    """Where a label's opinions come from."""

    pair_key: str
    judge: str
    calibration: str | None
    comparison: str | None


class _Candidate(NamedTuple):
    """A decided pair. Sorts by contrast, largest first, then by the better response's key, then the worse one's."""

    minus_contrast: float
    better: str
    worse: str
    pair_key: str


def preference(votes: Sequence[Vote], showings: Sequence[Showing]) -> Preference | Missing:
    """(l_ab - l_ba) / 2 with position bias (l_ab + l_ba) / 2; with one order that order's logit, and no bias.

    Every showing must have a valid vote: half an answer would carry the whole position bias. Replicates of one order
    are averaged as probabilities (see `averaged`).
    """
    assert showings, "a judge is shown each pair at least once"
    given = {Showing(vote.request.order, vote.request.replicate): vote for vote in votes}
    assert len(given) == len(votes), "several votes for one showing"
    found: dict[Order, list[float]] = defaultdict(list)
    for showing in showings:
        vote = given.get(showing)
        if vote is None:
            return Missing("not_asked")
        if vote.logit is None:
            return Missing(f"{vote.state}: {vote.reason}")
        found[showing.order].append(vote.logit)
    logits = {order: averaged(values) for order, values in found.items()}
    if len(logits) == 2:
        return Preference((logits["ab"] - logits["ba"]) / 2, (logits["ab"] + logits["ba"]) / 2)
    return Preference(logits["ab"] if "ab" in logits else -logits["ba"], None)


def averaged(logits: Sequence[float]) -> float:
    """The logit of the mean probability; of one logit, that logit itself."""
    if len(logits) == 1:
        return logits[0]
    n = len(logits)
    yes, no = (math.fsum(probability(sign * logit) for logit in logits) / n for sign in (1, -1))
    return math.log(yes) - math.log(no)


def probability(logit: float) -> float:
    """1 / (1 + e^-logit), without overflow; exactly 1/2 at 0."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


def view(
    votes: Sequence[Vote], principle: Principle, judge: Judge, calibration: Applied | None = None
) -> Preference | Missing:
    """One principle's preference, calibrated where there is a calibration for it: the one place where that happens.

    The position bias stays in the judge's own logits.
    """
    found = preference(votes, judge.showings(principle))
    entry = calibration.entries.get(principle.id) if calibration else None
    if isinstance(found, Missing):
        return found
    # Polarity turns preferences round, not where an answer was shown.
    bias = None if found.position_bias is None else preferred(principle, found.position_bias)
    return Preference(calibrated(found.logit, entry) if entry else found.logit, bias)


def label_pair(
    pair: Pair,
    votes: Mapping[str, Sequence[Vote]],
    constitution: Constitution,
    judge: Judge,
    calibration: Applied | None = None,
) -> Label:
    """The pair's label from its votes by principle id (see `judge.ask.collect_votes`), or the reason for none."""
    opinions: dict[str, Opinion] = {}
    missing: dict[str, str] = {}
    principles = in_scope(pair, constitution)
    for principle in principles:
        found = view(votes.get(principle.id, ()), principle, judge, calibration)
        if isinstance(found, Missing):
            missing[principle.id] = found.reason
        else:
            opinions[principle.id] = Opinion(found.p, found.position_bias)
    source = _Source(
        pair.key,
        judge.digest,
        calibration.digest if calibration else None,
        digest("comparison", responses=sorted((pair.a.key, pair.b.key))),
    )
    return _aggregate(source, constitution, principles, opinions, missing)


def relabel(label: Label, constitution: Constitution) -> Label:
    """The same votes under another constitution's weights and rule; principles that it lacks are left out.

    No vote is needed, so neither texts nor scopes may differ, and a principle that the label never saw stays out. The
    shares are calibrated already. Selection (`not_selected`) is not carried over: call `select_best_worst` again.
    """
    opinions = opinions_in(label)
    missing = dict(label.missing)
    principles = [p for p in constitution.principles if p.id in opinions or p.id in missing]
    source = _Source(label.pair_key, label.judge, label.calibration, label.comparison)
    return _aggregate(source, constitution, principles, opinions, missing)


def opinions_in(label: Label) -> dict[str, Opinion]:
    """What the principles that voted said, by their ids."""
    return {share.principle: Opinion(share.p, share.position_bias) for share in label.shares}


def _aggregate(
    source: _Source,
    constitution: Constitution,
    principles: Sequence[Principle],
    opinions: Mapping[str, Opinion],
    missing: Mapping[str, str],
) -> Label:
    weights = {principle.id: principle.weight for principle in principles}
    shares = weighed(opinions, weights)
    rule = constitution.aggregation
    found = aggregate(Heard(shares, weights, source.comparison), rule)
    return Label(
        pair_key=source.pair_key,
        constitution=constitution.key,
        judge=source.judge,
        calibration=source.calibration,
        rule=rule.rule,
        p=found.p,
        reason=found.reason,
        decided_by=found.decided_by,
        comparison=source.comparison,
        shares=shares,
        missing=tuple((i, missing[i]) for i in sorted(weights) if i in missing),
    )


def weighed(opinions: Mapping[str, Opinion], weights: Mapping[str, float]) -> tuple[Share, ...]:
    """Shares in the order of principle ids; weights normalised over the principles with an opinion."""
    valid = math.fsum(weight for i, weight in weights.items() if i in opinions)
    return tuple(
        Share(principle=i, weight=weights[i] / valid if valid else 0.0, p=opinions[i].p, position_bias=opinions[i][1])
        for i in sorted(weights)
        if i in opinions
    )


def oriented(label: Label, pair: Pair) -> Oriented:
    """Chosen and rejected, p >= 1/2: the one place where a label is turned round.

    Position bias is about slots and stays as it is. Only for a label that has a p.
    """
    assert label.p is not None, "a pair without a label has no chosen response"
    assert label.pair_key == pair.key, "the label of another pair"
    if label.p >= 0.5:
        return Oriented(pair.a, pair.b, label.p, label.shares)
    turned = tuple(share.model_copy(update={"p": 1 - share.p}) for share in label.shares)
    p = weighted_mean(turned) if label.rule == "weighted_mean" else 1 - label.p
    return Oriented(pair.b, pair.a, p, turned)


def select_best_worst(pairs: Sequence[Pair], labels: Sequence[Label]) -> list[Label]:
    """The labels in their order, all but one a prompt turned into `not_selected`.

    A response's score is the mean, over the decided pairs it is in, of the probability that it is the better one. The
    pair of the best and the worst response keeps its label; where that pair has none, the decided pair with the next
    largest difference of scores does. Ties go to the smaller response key. Pairs without a label keep their reason.
    """
    by_prompt: dict[str, list[tuple[Pair, Label]]] = defaultdict(list)
    for pair, label in zip(pairs, labels, strict=True):
        assert pair.key == label.pair_key, "labels are not in the order of the pairs"
        if label.p is not None:
            by_prompt[pair.prompt.key].append((pair, label))
    selected = {_most_contrasting(decided) for decided in by_prompt.values()}
    return [label if label.p is None or label.pair_key in selected else not_selected(label) for label in labels]


def response_scores(decided: Sequence[tuple[Pair, Label]]) -> dict[str, float]:
    """Mean probability of being the better one, by response key. The labels must have a p."""
    wins: dict[str, list[float]] = defaultdict(list)
    for pair, label in decided:
        assert label.p is not None
        wins[pair.a.key].append(label.p)
        wins[pair.b.key].append(1 - label.p)
    return {key: math.fsum(values) / len(values) for key, values in wins.items()}


def not_selected(label: Label) -> Label:
    """The same label without its p; its shares stay, so that `relabel` can still be asked."""
    assert label.rule != "weighted_mean" or label.p == weighted_mean(label.shares)
    return label.model_copy(update={"p": None, "reason": "not_selected"})


def _most_contrasting(decided: Sequence[tuple[Pair, Label]]) -> str:
    scores = response_scores(decided)
    candidates = []
    for pair, _ in decided:
        better, worse = sorted((pair.a.key, pair.b.key), key=lambda key: (-scores[key], key))
        candidates.append(_Candidate(scores[worse] - scores[better], better, worse, pair.key))
    return min(candidates).pair_key
