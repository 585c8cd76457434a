"""The one interface of every judge, and what all judges have in common. Open one with judge/judges.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from constitution.errors import PreceptorError
from constitution.model import Principle
from generate.records import Pair, Response
from judge.records import Order, Vote, VoteRequest


class Ask(NamedTuple):
    """One question to a judge: its identity, and what it is about."""

    request: VoteRequest
    pair: Pair
    principle: Principle


class Shown(NamedTuple):
    """A pair's responses in the order in which the judge sees them."""

    first: Response
    second: Response


class Showing(NamedTuple):
    """One of the times that a judge sees a pair for one principle."""

    order: Order
    replicate: int = 0


class Stopped(Exception):  # no error of its own: it carries one, and the votes given before it
    """A judge cannot go on. `votes` are those that it has given: they are kept before `error` is raised."""

    def __init__(self, votes: Sequence[Vote], error: PreceptorError) -> None:
        self.votes = list(votes)
        self.error = error
        super().__init__(str(error))


class Judge(Protocol):
    """Answers one principle about one pair in one order."""

    name: str
    digest: str
    """Covers all that can change a vote besides the question."""
    batch_pairs: int
    """Pairs whose votes are asked and committed together."""

    def showings(self, principle: Principle) -> tuple[Showing, ...]:
        """How often each pair is shown for this principle: in which orders, and how many times in each."""
        ...

    def request(self, pair: Pair, principle: Principle, showing: Showing) -> VoteRequest:
        """The identity of one vote. Pure: no model is loaded."""
        ...

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """One vote for each ask, in their order. Neighbours of the same pair and order share a prompt prefix.

        Raises Stopped where it cannot go on, with the votes that it has given.
        """
        ...


def shown(pair: Pair, order: Order) -> Shown:
    """Which response is first."""
    return Shown(pair.a, pair.b) if order == "ab" else Shown(pair.b, pair.a)


def vote_request(judge: str, pair: Pair, principle: Principle, showing: Showing, rendered: str) -> VoteRequest:
    """The identity of one vote, from the judge's digest and the digest of what it is shown."""
    first, second = shown(pair, showing.order)
    return VoteRequest(
        pair_key=pair.key,
        principle_key=principle.key,
        judge=judge,
        first=first.key,
        second=second.key,
        order=showing.order,
        rendered=rendered,
        replicate=showing.replicate,
    )


def preferred(principle: Principle, logit: float) -> float:
    """From "which response satisfies the text more" to "which response is preferred".

    The one place that knows of polarity: `against` negates, for every judge. So a check, like a judge's answer, is
    always about the principle's text.
    """
    return 0.0 - logit if principle.polarity == "against" else logit
