"""What each principle said of the pairs, and how much it had to say in their labels. Asks no judge."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from constitution.identity import seed_from
from constitution.model import Constitution, Principle
from constitution.record import Record
from judge.pivotal import PIVOTAL, change_without
from judge.records import Label, Share, Vote
from judge.resampling import Score, share_score
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
    decided: Score
    """Share of its pairs on which it takes a side at all, with its interval over prompts."""
    strength: float | None
    """Mean of |2p - 1| over its pairs: 0 never prefers, 1 is always certain."""
    agrees: Score
    """Of the labelled pairs on which both it and the label take a side, those on which it is the same one."""
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


@dataclass
class _Heard:
    """What is known of one principle after some labels."""

    p: array[float] = field(default_factory=lambda: array("d"))
    prompts: array[int] = field(default_factory=lambda: array("l"))
    """Each pair's prompt, as a number."""
    agreed: array[float] = field(default_factory=lambda: array("d"))
    """1 or 0 for each label on which both take a side."""
    agreed_prompts: array[int] = field(default_factory=lambda: array("l"))
    pivotal: int = 0
    biases: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By prompt."""

    def add(self, prompt: int, label: Label, share: Share, constitution: Constitution) -> None:
        """One label that it has a share in."""
        self.p.append(share.p)
        self.prompts.append(prompt)
        if label.p is not None and side(label.p) and side(share.p):
            self.agreed.append(side(label.p) == side(share.p))
            self.agreed_prompts.append(prompt)
        self.pivotal += is_pivotal(label, share.principle, constitution)
        if share.position_bias is not None:
            self.biases[prompt].append(share.position_bias)


def label_statistics(
    constitution: Constitution,
    judged: Iterable[tuple[str, Label]],
    states: Mapping[str, Mapping[str, int]],
    settings: BehaviourSettings,
    seed: int,
) -> LabelStatistics:
    """Count votes by principle, and compare each principle with the labels it went into.

    `judged` are all labels with their prompts' keys, gone through once; `states` are the labelling judge's votes on
    them: principle key -> state -> how many (see `count_states`).
    """
    reasons, heard, pairs = Counter[str](), defaultdict[str, _Heard](_Heard), 0
    prompts: dict[str, int] = {}
    for prompt, label in judged:
        pairs += 1
        if label.reason is not None:
            reasons[label.reason] += 1
        for share in label.shares:
            heard[share.principle].add(prompts.setdefault(prompt, len(prompts)), label, share, constitution)
    rows = [
        _principle_row(principle, constitution, states.get(principle.key, {}), heard[principle.id], settings, seed)
        for principle in constitution.principles
    ]
    return LabelStatistics(
        pairs=pairs,
        labelled=pairs - reasons.total(),
        reasons=dict(sorted(reasons.items())),
        principles=tuple(rows),
    )


def count_states(votes: Iterable[Vote]) -> dict[str, Counter[str]]:
    """Principle key -> state -> how many of these votes."""
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        states[vote.request.principle_key][vote.state] += 1
    return states


def _principle_row(
    principle: Principle,
    constitution: Constitution,
    states: Mapping[str, int],
    heard: _Heard,
    settings: BehaviourSettings,
    seed: int,
) -> PrincipleStatistics:
    p_N = np.array(heard.p)
    return PrincipleStatistics(
        id=principle.id,
        weight=principle.weight / sum(p.weight for p in constitution.principles),
        valid=states.get("valid", 0),
        abstained=states.get("abstain", 0),
        failed=states.get("failed", 0),
        pairs=len(p_N),
        mean_p=float(p_N.mean()) if len(p_N) else None,
        decided=share_score(np.array([side(p) != 0 for p in p_N], dtype=np.float64), heard.prompts),
        strength=float(np.abs(2 * p_N - 1).mean()) if len(p_N) else None,
        agrees=share_score(np.array(heard.agreed), heard.agreed_prompts),
        pivotal=heard.pivotal,
        position_bias=_position_bias(heard.biases, settings, seed_from(seed, "position", principle.id)),
    )


def side(p: float) -> int:
    """1 for the pair's first answer, -1 for its second, 0 for neither."""
    return 0 if abs(p - EVEN) <= TIE else 1 if p > EVEN else -1


def is_pivotal(label: Label, principle: str, constitution: Constitution) -> bool:
    """Whether the label would take the other side, or none, without this principle; a pair without one has no pivot."""
    return label.p is not None and change_without(label, constitution, (principle,)) in PIVOTAL


def _position_bias(by_prompt: Mapping[int, list[float]], settings: BehaviourSettings, seed: int) -> Interval | None:
    if not by_prompt:
        return None
    means_P = np.array([np.mean(biases) for biases in by_prompt.values()])
    return paired_bootstrap(means_P, settings.resamples, settings.level, seed)
