"""From votes to what a calibration is fitted on: every principle's labelled logits (see judge/calibrate.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from constitution.model import Principle
from generate.records import Pair
from judge.ask import PairVotes
from judge.calibrate import Evidence, lean_of
from judge.interface import Ask, Judge
from judge.labels import Missing, averaged, preference
from judge.records import Order, Vote
from judge.temperature import Labelled

Votes = Mapping[str, PairVotes]
"""By pair key, then principle id: see `judge.ask.collect_votes`."""


class _Row(NamedTuple):
    """One labelled logit."""

    logit: float
    gold: float
    prompt: str


def gold_evidence(
    pairs: Sequence[Pair], principles: Sequence[Principle], judge: Judge, votes: Votes, gold: Judge, leans: bool
) -> list[Evidence]:
    """The judge's preferences beside what `gold` (a recorded judge) prefers: 1, 0, or 1/2 where it is divided.

    `leans`: whether the judge may lean to a slot that nothing cancels (a model asked in one order).
    """
    found = []
    for principle in principles:
        labels = _gold_labels(pairs, principle, gold)
        seen = [(pair, _logit(pair, principle, judge, votes)) for pair in pairs if pair.key in labels]
        rows = [_Row(logit, labels[pair.key], pair.prompt.key) for pair, logit in seen if logit is not None]
        labelled = _labelled(rows)
        found.append(Evidence(principle, labelled, lean_of(labelled, gold=True) if leans and rows else None))
    return found


def _gold_labels(pairs: Sequence[Pair], principle: Principle, gold: Judge) -> dict[str, float]:
    """By pair key; pairs that gold says nothing of are left out."""
    showing = gold.showings(principle)[0]
    scoped = [pair for pair in pairs if principle.applies_to(pair.prompt.tags)]
    answers = gold.vote([Ask(gold.request(pair, principle, showing), pair, principle) for pair in scoped])
    said = [(pair, vote.logit) for pair, vote in zip(scoped, answers, strict=True) if vote.logit is not None]
    return {pair.key: float(np.sign(logit) + 1) / 2 for pair, logit in said}


def _logit(pair: Pair, principle: Principle, judge: Judge, votes: Votes) -> float | None:
    found = preference(_votes(pair, principle, votes), judge.showings(principle))
    return None if isinstance(found, Missing) else found.logit


def _votes(pair: Pair, principle: Principle, votes: Votes) -> Sequence[Vote]:
    return votes.get(pair.key, {}).get(principle.id, ())


def swap_evidence(pairs: Sequence[Pair], principles: Sequence[Principle], votes: Votes) -> list[Evidence]:
    """Each order's logit for `a` beside the other order's verdict, the principle's mean position bias out of both."""
    return [Evidence(principle, _labelled(_swapped(pairs, principle, votes)), None) for principle in principles]


def _swapped(pairs: Sequence[Pair], principle: Principle, votes: Votes) -> list[_Row]:
    both = [
        (ab, ba, pair.prompt.key)
        for pair in pairs
        if (ab := _in_order(_votes(pair, principle, votes), "ab")) is not None
        and (ba := _in_order(_votes(pair, principle, votes), "ba")) is not None
    ]
    lean = float(np.mean([(ab + ba) / 2 for ab, ba, _ in both])) if both else 0.0
    for_a = [(ab - lean, lean - ba, prompt) for ab, ba, prompt in both]
    return [_Row(x, _verdict(y), prompt) for one, two, prompt in for_a for x, y in ((one, two), (two, one))]


def _in_order(votes: Sequence[Vote], order: Order) -> float | None:
    logits = [vote.logit for vote in votes if vote.request.order == order and vote.logit is not None]
    return averaged(logits) if logits else None


def _verdict(logit: float) -> float:
    return 0.5 if logit == 0 else float(logit > 0)


def batch_evidence(
    pairs: Sequence[Pair], principles: Sequence[Principle], judge: Judge, votes: Votes
) -> list[Evidence]:
    """One order, no gold: the logits, and their mean as the lean."""
    found = []
    for principle in principles:
        seen = [(pair.prompt.key, _logit(pair, principle, judge, votes)) for pair in pairs]
        rows = [_Row(logit, 0.5, prompt) for prompt, logit in seen if logit is not None]
        labelled = _labelled(rows)
        found.append(Evidence(principle, labelled, lean_of(labelled, gold=False) if rows else None))
    return found


def _labelled(rows: Sequence[_Row]) -> Labelled:
    return Labelled(
        logits_N=np.array([row.logit for row in rows], dtype=np.float64),
        gold_N=np.array([row.gold for row in rows], dtype=np.float64),
        prompts=tuple(row.prompt for row in rows),
    )
