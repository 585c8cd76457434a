"""The conflict map: for each couple of principles how often they disagree, who then wins under the constitution's rule,
and how much weight would turn it; and which principles say the same, so that each hides what the other does.

Over every judged pair, also those that `best_worst` did not train on; only `hidden` is over the labels trained on.
Intervals are over prompts (judge/resampling.py). Asks no judge.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from constitution.model import Constitution, Rule
from constitution.record import Record
from generate.records import Pair
from judge.aggregate import Outcome, side
from judge.agreement import Leaning, Rate, rate
from judge.pivotal import PIVOTAL, change, standing, without
from judge.records import Label
from judge.resampling import Score, nothing, share_score
from judge.turning import winning_weight
from reports.decided import Decided, decided_by_all

ALWAYS = 0.9
"""Two principles say the same where the interval of their agreement lies above this."""


class Contest(Record):
    """Two principles on some pairs."""

    both: int
    """Pairs on which both have an opinion."""
    disagree: Rate
    """Of those on which both take a side: they take different ones."""
    first_wins: Rate
    """Of the disputes that the rule decides: decided for the first."""
    undecided: int
    """Disputes on which the rule decides for neither."""


class Conflict(Record):
    """Two principles, on all pairs and by topic."""

    first: str
    """One principle's id."""
    second: str
    """The other's."""
    all: Contest
    """On all judged pairs."""
    by_tag: dict[str, Contest]
    """By prompt tag; a pair counts under each of its tags."""
    loser: str | None
    """Whoever wins fewer disputes; None where there are none, or both win as many."""
    weight: float | None
    """The weight above which the loser, all others as they are, wins half of the disputes; None: no weight does."""
    times: Score
    """The same as a multiple of its weight, with the multiples at which its wins, interval and all, reach and pass one
    half; no upper end: no weight is known to be enough. Nothing where its weight is 0."""
    hidden: Rate
    """Of the labels that both voted on: those that turn or vanish without both, and without either alone do not."""
    says_the_same: bool
    """Whether the interval of their agreement lies above ALWAYS."""


class ConflictMap(Record):
    """All couples of principles, and what hangs on each principle."""

    rule: Rule
    """The aggregation rule."""
    pairs: int
    """Judged pairs."""
    prompts: int
    """Their prompts."""
    principles: tuple[Decided, ...]
    """One row for each principle, in the constitution's order."""
    conflicts: tuple[Conflict, ...]
    """One row for each couple, most disputes first."""


class _Seen(NamedTuple):
    """One judged pair: who takes which side, and the rule's own side; 0 for neither."""

    label: Label
    prompt: str
    tags: tuple[str, ...]
    sides: dict[str, int]
    ruled: int
    stands: Outcome
    """What the constitution makes of its votes."""
    alone: frozenset[str]
    """Principles without each of which the label turns or vanishes."""


def conflict_map(
    pairs: Sequence[Pair], labels: Sequence[Label], constitution: Constitution, best_worst: bool
) -> ConflictMap:
    """The map of one run. `labels` has one entry for each pair, in the pairs' order, made under this constitution."""
    seen = [_see(pair, label, constitution) for pair, label in zip(pairs, labels, strict=True)]
    ids = [principle.id for principle in constitution.principles]
    found = [_conflict(first, second, seen, constitution) for first, second in combinations(ids, 2)]
    return ConflictMap(
        rule=constitution.aggregation.rule,
        pairs=len(seen),
        prompts=len({one.prompt for one in seen}),
        principles=tuple(decided_by_all(pairs, labels, constitution, best_worst)),
        conflicts=tuple(sorted(found, key=lambda row: (-row.all.disagree.hits, row.first, row.second))),
    )


def _see(pair: Pair, label: Label, constitution: Constitution) -> _Seen:
    assert pair.key == label.pair_key, "labels are not in the order of the pairs"
    stands = standing(label, constitution)
    voters = [share.principle for share in label.shares]
    alone = [i for i in voters if label.p is not None and change(stands, without(label, constitution, (i,))) in PIVOTAL]
    return _Seen(
        label,
        pair.prompt.key,
        pair.prompt.tags,
        {share.principle: side(share.p) for share in label.shares},
        0 if stands.p is None else side(stands.p),
        stands,
        frozenset(alone),
    )


def _conflict(first: str, second: str, seen: Sequence[_Seen], constitution: Constitution) -> Conflict:
    both = [one for one in seen if first in one.sides and second in one.sides]
    contest = _contest(first, second, both)
    loser = _loser(first, second, contest.first_wins)
    needed = _needed(loser, _disputes(first, second, both), constitution) if loser else []
    weight = sorted(value for value, _ in needed)[(len(needed) - 1) // 2] if needed else None
    tags = sorted({tag for one in both for tag in one.tags})
    agreed_above = None if contest.disagree.high is None else 1 - contest.disagree.high
    return Conflict(
        first=first,
        second=second,
        all=contest,
        by_tag={tag: _contest(first, second, [one for one in both if tag in one.tags]) for tag in tags},
        loser=loser,
        weight=None if weight is None or math.isinf(weight) else weight,
        times=_times(needed, _weight_of(loser, constitution)) if loser else nothing(),
        hidden=_hidden(first, second, both, constitution),
        says_the_same=agreed_above is not None and agreed_above > ALWAYS,
    )


def _contest(first: str, second: str, both: Sequence[_Seen]) -> Contest:
    decided = [one for one in both if one.sides[first] and one.sides[second]]
    disputes = _disputes(first, second, decided)
    ruled = [one for one in disputes if one.ruled]
    return Contest(
        both=len(both),
        disagree=rate(Leaning(one.prompt, one.sides[first] != one.sides[second]) for one in decided),
        first_wins=rate(Leaning(one.prompt, one.ruled == one.sides[first]) for one in ruled),
        undecided=len(disputes) - len(ruled),
    )


def _disputes(first: str, second: str, seen: Sequence[_Seen]) -> list[_Seen]:
    return [one for one in seen if one.sides[first] * one.sides[second] < 0]


def _loser(first: str, second: str, first_wins: Rate) -> str | None:
    if first_wins.value is None or first_wins.value == 0.5:
        return None
    return second if first_wins.value > 0.5 else first


def _weight_of(principle: str, constitution: Constitution) -> float:
    return next(p.weight for p in constitution.principles if p.id == principle)


def _needed(loser: str, disputes: Sequence[_Seen], constitution: Constitution) -> list[tuple[float, str]]:
    """For each dispute the weight above which it goes the loser's way (infinite: none), and its prompt."""
    found = [(winning_weight(one.label, constitution, loser), one.prompt) for one in disputes]
    return [(math.inf if weight is None else weight, prompt) for weight, prompt in found]


def _times(needed: Sequence[tuple[float, str]], weight: float) -> Score:
    """The median of the weights needed, as multiples. Its ends come from the interval of the share of disputes won: the
    lowest weight at which it reaches one half, and the lowest at which all of it does.
    """
    values = sorted({value for value, _ in needed})
    prompts = [prompt for _, prompt in needed]
    if not weight or not values:
        return nothing(len(needed), len(set(prompts)))

    def won(value: float) -> Score:
        return share_score(np.array([float(one <= value) for one, _ in needed]), prompts)

    def lowest(reached: Callable[[Score], bool]) -> float | None:
        at = bisect_left(values, True, key=lambda value: reached(won(value)))
        return values[at] / weight if at < len(values) and math.isfinite(values[at]) else None

    return Score(
        value=lowest(lambda share: (share.value or 0.0) >= 0.5),
        low=lowest(lambda share: (share.high or 0.0) >= 0.5),
        high=lowest(lambda share: (share.low or 0.0) >= 0.5),
        n=len(needed),
        clusters=len(set(prompts)),
    )


def _hidden(first: str, second: str, both: Sequence[_Seen], constitution: Constitution) -> Rate:
    """Where each is enough without the other, leaving out one shows nothing of it."""
    rows = [one for one in both if one.label.p is not None]
    return rate(Leaning(one.prompt, _hides(first, second, one, constitution)) for one in rows)


def _hides(first: str, second: str, one: _Seen, constitution: Constitution) -> bool:
    if first in one.alone or second in one.alone:
        return False
    return change(one.stands, without(one.label, constitution, (first, second))) in PIVOTAL
