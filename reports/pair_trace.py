"""The thread of one pair: prompt, answers, every vote, the shares, the label, and what would turn it.

The label is made again from the stored votes, and must be the stored one bit for bit. Asks no judge.
"""

from __future__ import annotations

from typing import Literal

from constitution.model import Constitution, Principle, Rule
from constitution.record import Record
from generate.records import Pair
from judge.ask import PairVotes, in_scope
from judge.calibration import Applied
from judge.interface import Judge
from judge.pivotal import Change, change, parts, smallest_sets, standing, without
from judge.records import Label, Share, Vote
from judge.turning import turning
from judge.verified import verified


class TurningWeight(Record):
    """The weight at which a principle turns the label, all others as they are."""

    weight: float
    """In the constitution's units."""
    direction: Literal["above", "below"]
    """On which side of it the label is turned."""
    times: float | None
    """As a multiple of the principle's weight; None if that is 0."""


class PrincipleOnPair(Record):
    """One principle and one pair."""

    principle: str
    """The principle's id."""
    weight: float
    """Its weight, as the constitution says."""
    votes: tuple[Vote, ...]
    """What the judge said, in every showing that is stored."""
    share: Share | None
    """Its part of the label; None without an opinion."""
    missing: str | None
    """Why it has no opinion; None with one."""
    part: float | None
    """Its signed part of p - 1/2, above 0 towards `a`; they add up. None without an opinion, or where there is no p."""
    change: Change
    """What becomes of the label without it."""
    without: float | None
    """p without it; None: no label."""
    turning: TurningWeight | None
    """None where no weight turns the label."""


class PairTrace(Record):
    """One pair from its prompt to its label."""

    pair: Pair
    """Prompt and answers."""
    label: Label
    """As it is stored, and as the stored votes give it."""
    p: float | None
    """Probability that `a` is better by the rule, whether the pair was selected or not; None: no label by the rule."""
    reason: str | None
    """Why there is none."""
    rule: Rule
    """The rule."""
    principles: tuple[PrincipleOnPair, ...]
    """Those that apply to the pair, in the constitution's order."""
    smallest_sets: tuple[tuple[str, ...], ...]
    """The smallest sets of principles without which the label flips or, where there is none, appears."""
    sets_tried: int
    """Sets of up to so many principles were tried."""


def pair_trace(
    pair: Pair,
    stored: Label,
    votes: PairVotes,
    constitution: Constitution,
    judge: Judge,
    calibration: Applied | None = None,
) -> PairTrace:
    """Raises DataError if the stored label is not what the stored votes give."""
    label = verified(stored, pair, votes, constitution, judge, calibration)
    now, turned = standing(label, constitution), smallest_sets(label, constitution)
    return PairTrace(
        pair=pair,
        label=stored,
        p=now.p,
        reason=now.reason,
        rule=constitution.aggregation.rule,
        principles=tuple(
            _on_pair(principle, label, votes.get(principle.id, ()), constitution)
            for principle in in_scope(pair, constitution)
        ),
        smallest_sets=turned.sets,
        sets_tried=turned.tried,
    )


def _on_pair(
    principle: Principle, label: Label, votes: tuple[Vote, ...], constitution: Constitution
) -> PrincipleOnPair:
    rest = without(label, constitution, (principle.id,))
    found = turning(label, constitution, principle.id)
    return PrincipleOnPair(
        principle=principle.id,
        weight=principle.weight,
        votes=votes,
        share=next((share for share in label.shares if share.principle == principle.id), None),
        missing=dict(label.missing).get(principle.id),
        part=parts(label, constitution).get(principle.id),
        change=change(standing(label, constitution), rest),
        without=rest.p,
        turning=TurningWeight(**found._asdict()) if found else None,
    )
