"""Several judges as one: each principle is put to the judge of its own source.

A vote is asked, identified and stored by the member that gives it, so a store is shared with runs of one judge, and
exchanging one member asks only its principles again. The panel's own digest marks labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constitution.identity import digest
from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.interface import Ask, Judge, Showing
from judge.records import Vote, VoteRequest


class Turn(NamedTuple):
    """One judge and the principles that are its to vote on, in the constitution's order."""

    judge: Judge
    principles: tuple[Principle, ...]


class Panel:
    """Routes every question by the principle's id."""

    def __init__(self, name: str, members: Mapping[str, Judge]) -> None:
        """`members`: every principle's judge, by principle id."""
        self.name = name
        self.digest = digest("panel", members={i: judge.digest for i, judge in members.items()})
        self.batch_pairs = min(judge.batch_pairs for judge in members.values())
        self._members = dict(members)

    def member(self, principle: Principle) -> Judge:
        """Who votes on this principle."""
        return self._members[principle.id]

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """See Judge."""
        return self.member(principle).showings(principle)

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """See Judge."""
        return self.member(principle).request(pair, principle, showing)

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """See Judge. Each member gets its asks in one call."""
        votes: dict[int, Vote] = {}
        for judge in dict.fromkeys(self.member(ask.principle) for ask in asks):
            places = [place for place, ask in enumerate(asks) if self.member(ask.principle) is judge]
            votes |= zip(places, judge.vote([asks[place] for place in places]), strict=True)
        return [votes[place] for place in range(len(asks))]


def turns(judge: Judge, constitution: Constitution) -> list[Turn]:
    """Who asks what: a panel's members one after the other, so that two models never take turns in memory."""
    if not isinstance(judge, Panel):
        return [Turn(judge, constitution.principles)]
    members = dict.fromkeys(judge.member(principle) for principle in constitution.principles)
    return [Turn(member, tuple(p for p in constitution.principles if judge.member(p) is member)) for member in members]
