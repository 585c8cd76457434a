"""How fast a judge answers: measured over the batches that it was asked, so that the next batch can be foretold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import Field

from constitution.record import Record
from judge.records import Vote


class Pace(Record):
    """What so many votes of one judge took."""

    votes: int = Field(gt=0)
    """Votes asked."""
    tokens_in: int = Field(ge=0)
    """Their prompt tokens."""
    tokens_out: int = Field(ge=0)
    """Tokens generated for them."""
    seconds: float = Field(gt=0)
    """Wall-clock seconds."""
    loading: bool
    """Whether the seconds may hold the loading of the model: the first batch of a process alone."""

    @property
    def seconds_a_vote(self) -> float:
        """Mean wall-clock seconds."""
        return self.seconds / self.votes


class Clock:
    """The paces of one call, by the judge's digest. A first batch, which loads the model, yields to those after it."""

    def __init__(self) -> None:
        self.paces: dict[str, Pace] = {}
        self._batches = Counter[str]()

    def add(self, judge: str, votes: Sequence[Vote], seconds: float) -> None:
        """One batch of answers."""
        self._batches[judge] += 1
        old = self.paces[judge] if self._batches[judge] > 2 else None
        self.paces[judge] = Pace(
            votes=len(votes) + (old.votes if old else 0),
            tokens_in=sum(vote.tokens_in for vote in votes) + (old.tokens_in if old else 0),
            tokens_out=sum(vote.tokens_out for vote in votes) + (old.tokens_out if old else 0),
            seconds=max(seconds, 1e-9) + (old.seconds if old else 0.0),
            loading=self._batches[judge] == 1,
        )
