"""What each principle said of the pairs, and how much it had to say in their labels. Asks no judge."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from constitution.identity import seed_from
from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.pivotal import PIVOTAL, change_without
from judge.records import Label, Share, Vote
from reports.settings import BehaviourSettings
from reports.statistics import Interval, paired_bootstrap

EVEN = 0.5
TIE = 1e-6
"""A preference this close to even takes no side: only rounding of log-probabilities."""


class PrincipleStatistics(Record):
    """One principle's votes and their part in the labels."""

    id: str
    """The principle's id."""
    weight: float
    """Its weight, normalised over all principles."""
    valid: int
    """Votes with a preference."""
    abstained: int
    """Votes where the judge said that it cannot say."""
    failed: int
    """Votes without a usable answer."""
    pairs: int
    """Pairs on which it has a preference."""
    mean_p: float | None
    """Mean p that the answer sampled first is better; about 0.5, for the two answers come from one model."""
    decided: float | None
    """Share of its pairs on which it takes a side at all."""
    strength: float | None
    """Mean of |2p - 1| over its pairs: 0 never prefers, 1 is always certain."""
    compared: int
    """Labelled pairs on which both the principle and the label take a side."""
    agrees: float | None
    """Share of those on which it is the same side."""
    pivotal: int
    """Labels that would take the other side, or none, without this principle."""
    position_bias: Interval | None
    """Mean (l_ab + l_ba) / 2 in nats, prompts as clusters: above 0 it leans to the answer shown first; None where only
    one order was asked."""


class LabelStatistics(Record):
    """What became of the pairs."""

    pairs: int
    """Pairs judged."""
    labelled: int
    """Pairs with a label."""
    reasons: dict[str, int]
    """Why the others have none -> how many."""
    principles: tuple[PrincipleStatistics, ...]
    """One for each principle, in the constitution's order."""


def label_statistics(
    constitution: Constitution,
    pairs: Sequence[Pair],
    votes: Iterable[Vote],
    labels: Sequence[Label],
    settings: BehaviourSettings,
    seed: int,
) -> LabelStatistics:
    """Count votes by principle, and compare each principle with the labels it went into.

    `votes` are the labelling judge's, of any pairs in `pairs`; `labels` has one entry for each pair.
    """
    prompt_of = {pair.key: pair.prompt.key for pair in pairs}
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        states[vote.request.principle_key][vote.state] += 1
    rows = [
        _principle_row(principle, constitution, states[principle.key], labels, prompt_of, settings, seed)
        for principle in constitution.principles
    ]
    return LabelStatistics(
        pairs=len(labels),
        labelled=sum(label.p is not None for label in labels),
        reasons=dict(sorted(Counter(label.reason for label in labels if label.reason is not None).items())),
        principles=tuple(rows),
    )


def _principle_row(
    principle: Principle,
    constitution: Constitution,
    states: Mapping[str, int],
    labels: Sequence[Label],
    prompt_of: Mapping[str, str],
    settings: BehaviourSettings,
    seed: int,
) -> PrincipleStatistics:
    heard = [(label, share) for label in labels for share in label.shares if share.principle == principle.id]
    p_N = np.array([share.p for _, share in heard])
    same_side = [
        side(label.p) == side(share.p)
        for label, share in heard
        if label.p is not None and side(label.p) and side(share.p)
    ]
    return PrincipleStatistics(
        id=principle.id,
        weight=principle.weight / sum(p.weight for p in constitution.principles),
        valid=states.get("valid", 0),
        abstained=states.get("abstain", 0),
        failed=states.get("failed", 0),
        pairs=len(heard),
        mean_p=float(p_N.mean()) if heard else None,
        decided=float(np.mean([side(p) != 0 for p in p_N])) if heard else None,
        strength=float(np.abs(2 * p_N - 1).mean()) if heard else None,
        compared=len(same_side),
        agrees=float(np.mean(same_side)) if same_side else None,
        pivotal=sum(is_pivotal(label, principle.id, constitution) for label, _ in heard),
        position_bias=_position_bias(heard, prompt_of, settings, seed_from(seed, "position", principle.id)),
    )


def side(p: float) -> int:
    """1 for the pair's first answer, -1 for its second, 0 for neither."""
    return 0 if abs(p - EVEN) <= TIE else 1 if p > EVEN else -1


def is_pivotal(label: Label, principle: str, constitution: Constitution) -> bool:
    """Whether the label would take the other side, or none, without this principle; a pair without one has no pivot."""
    return label.p is not None and change_without(label, constitution, (principle,)) in PIVOTAL


def _position_bias(
    heard: Sequence[tuple[Label, Share]], prompt_of: Mapping[str, str], settings: BehaviourSettings, seed: int
) -> Interval | None:
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for label, share in heard:
        if share.position_bias is not None:
            by_prompt[prompt_of[label.pair_key]].append(share.position_bias)
    if not by_prompt:
        return None
    means_P = np.array([np.mean(biases) for biases in by_prompt.values()])
    return paired_bootstrap(means_P, settings.resamples, settings.level, seed)
