"""The account of a call of `judge_pairs`: how many votes of which kind, at what pace, and one digest of them all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from constitution.identity import digest
from constitution.record import Record
from judge.pace import Clock, Pace
from judge.records import Vote


class JudgeCount(Record):
    """What became of the votes that were wanted."""

    asked: int
    """Votes asked in this call."""
    stored: int
    """Votes that the store had already."""
    states: dict[str, int]
    """All of them by state: valid, abstain, failed."""
    reasons: dict[str, int]
    """Those that are not valid, by reason."""
    to_ask_again: int
    """Those that a later run asks once more."""
    tokens_in: int
    """Prompt tokens of this call."""
    tokens_out: int
    """Tokens generated in this call."""
    by_principle: dict[str, dict[str, int]]
    """All of them: principle key -> state -> how many."""
    all_tokens_in: int
    """Prompt tokens of all of them, those from the store included."""
    all_tokens_out: int
    """Tokens generated for all of them."""
    paces: dict[str, Pace]
    """How fast each judge answered in this call, by its digest."""
    digest: str
    """Identity of all of them: what was asked and what was answered, whatever the order."""


class Tally:
    """What `judge_pairs` counts on its way. A sum of digests is a digest of the set, and no vote need be kept."""

    def __init__(self) -> None:
        self.states, self.reasons = Counter[str](), Counter[str]()
        self.by_principle: dict[str, Counter[str]] = defaultdict(Counter)
        self.clock = Clock()
        self.all_tokens_in = self.all_tokens_out = 0
        self.asked = self.tokens_in = self.tokens_out = self.again = self.fingerprint = 0

    def add(self, votes: Iterable[Vote], asked: Sequence[Vote]) -> None:
        """A batch: all its votes, and as they were answered those that were asked just now."""
        for vote in votes:
            self.states[vote.state] += 1
            self.by_principle[vote.request.principle_key][vote.state] += 1
            self.all_tokens_in += vote.tokens_in
            self.all_tokens_out += vote.tokens_out
            self.fingerprint += int(digest("answer", key=vote.key, state=vote.state, logit=vote.logit), 16)
            self.again += not vote.settled
            if vote.reason is not None:
                self.reasons[vote.reason] += 1
        self.asked += len(asked)
        self.tokens_in += sum(vote.tokens_in for vote in asked)
        self.tokens_out += sum(vote.tokens_out for vote in asked)

    def count(self) -> JudgeCount:
        """The account so far."""
        return JudgeCount(
            asked=self.asked,
            stored=sum(self.states.values()) - self.asked,
            states=dict(sorted(self.states.items())),
            reasons=dict(sorted(self.reasons.items())),
            to_ask_again=self.again,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            by_principle={key: dict(states) for key, states in sorted(self.by_principle.items())},
            all_tokens_in=self.all_tokens_in,
            all_tokens_out=self.all_tokens_out,
            paces=self.clock.paces,
            digest=f"{self.fingerprint % 2**128:032x}",
        )
