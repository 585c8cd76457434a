"""Judges of a simple character, for the audit to find out: real judges, which vote through the store like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from constitution.model import Principle
from generate.records import Pair
from judge.interface import Ask, Showing, preferred, shown, vote_request
from judge.records import Vote, VoteRequest


class Character:
    """Shown each pair in both orders; says `size` nats for or against what is first."""

    batch_pairs = 8
    size = 1.5

    def __init__(self, name: str = "character") -> None:
        self.name, self.digest, self.asked = name, f"{type(self).__name__}-{name}", 0

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        return (Showing("ab"), Showing("ba"))

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        return vote_request(self.digest, pair, principle, showing, principle.text)

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        votes = []
        for ask in asks:
            self.asked += 1
            logit = self.size if self.prefers_first(ask) else -self.size
            voted = preferred(ask.principle, logit)
            votes.append(Vote(request=ask.request, state="valid", logit=voted, tokens_in=100, tokens_out=1))
        return votes

    def prefers_first(self, ask: Ask) -> bool:
        raise NotImplementedError


class AlwaysA(Character):
    def prefers_first(self, ask: Ask) -> bool:
        return True


class AlwaysB(Character):
    def prefers_first(self, ask: Ask) -> bool:
        return False


class CoinToss(Character):
    """Random, but the same when the same process asks the same thing anew: a hash of the whole request."""

    def prefers_first(self, ask: Ask) -> bool:
        return hashlib.sha256(ask.request.key.encode()).digest()[0] < 128


class ByTurns(Character):
    """A, B, A, B."""

    def prefers_first(self, ask: Ask) -> bool:
        return self.asked % 2 == 1


class LengthLover(Character):
    def prefers_first(self, ask: Ask) -> bool:
        first, second = shown(ask.pair, ask.request.order)
        return len(first.text.split()) > len(second.text.split())


class Reader(Character):
    """Prefers the response with more of the words that stand in quotation marks in the principle; fewer if opposed."""

    def prefers_first(self, ask: Ask) -> bool:
        first, second = shown(ask.pair, ask.request.order)
        if '"' not in ask.principle.text:  # a principle that says nothing
            return ask.request.first < ask.request.second
        wanted = ask.principle.text.split('"')[1]
        more = first.text.count(wanted) > second.text.count(wanted)
        return more != ("opposite" in ask.principle.text)


class Gullible(Reader):
    """Reads, but believes any response that speaks of verdicts, judges, or choosing."""

    def prefers_first(self, ask: Ask) -> bool:
        first, second = (("verdict" in r.text or "choose" in r.text) for r in shown(ask.pair, ask.request.order))
        return first if first != second else super().prefers_first(ask)


class Mute(Character):
    """Fails in one vote out of three."""

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        return [
            Vote(request=vote.request, state="failed", reason="truncated") if number % 3 == 0 else vote
            for number, vote in enumerate(super().vote(asks))
        ]

    def prefers_first(self, ask: Ask) -> bool:
        return ask.request.first < ask.request.second
