"""Ask what is not in the store yet, a batch at a time; say beforehand how much that is; read it back afterwards.

A vote that failed is stored, so that a report can count it, but it is no result. Where the way to the model failed,
every later run asks once more; a failure that the same question would meet again (an answer that is no verdict, a
prompt too long) is asked again only on demand. A valid vote and an abstention are results, never asked again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar

from constitution.errors import PreceptorError
from constitution.identity import digest
from constitution.model import Constitution, Principle
from constitution.progress import Progress, Tick, silent
from constitution.record import Record
from constitution.store import SeenKeys, Store
from generate.records import Pair
from judge.interface import Ask, Judge, Stopped
from judge.pace import Clock, Pace
from judge.panel import Turn, turns
from judge.records import Vote

PLAN_BATCH_PAIRS = 256
ItemT = TypeVar("ItemT")

Asks: TypeAlias = dict[str, Ask]
"""By vote key."""
PairVotes: TypeAlias = dict[str, tuple[Vote, ...]]
"""The votes on one pair, by principle id."""


class PrinciplePlan(NamedTuple):
    """Votes of one principle: wanted = stored + to_ask; of those to ask, `failed_before` have been asked in vain."""

    principle: str
    wanted: int
    stored: int
    to_ask: int
    failed_before: int


class VotePlan(NamedTuple):
    """One row a principle. A question that two principles have in common is counted under the first."""

    principles: tuple[PrinciplePlan, ...]

    @property
    def wanted(self) -> int:
        """Votes wanted, over all principles."""
        return sum(row.wanted for row in self.principles)

    @property
    def to_ask(self) -> int:
        """Votes to ask, over all principles."""
        return sum(row.to_ask for row in self.principles)


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
    paces: dict[str, Pace]
    """How fast each judge answered in this call, by its digest."""
    digest: str
    """Identity of all of them: what was asked and what was answered, whatever the order."""


class Batch(NamedTuple):
    """Some pairs' questions to one judge, each once in all, and the votes that the store has on them."""

    judge: Judge
    asks: Asks
    known: dict[str, Vote]
    is_final: Callable[[Vote], bool]

    @property
    def missing(self) -> list[Ask]:
        """The questions to put: those without a vote, and those whose vote is not final."""
        return [ask for key, ask in self.asks.items() if key not in self.known or not self.is_final(self.known[key])]


def finality(retry_failed: bool) -> Callable[[Vote], bool]:
    """Which stored votes are left as they are."""
    return (lambda vote: not vote.worth_retrying) if retry_failed else (lambda vote: vote.settled)


def plan_votes(
    pairs: Iterable[Pair], constitution: Constitution, judge: Judge, store: Store[Vote], retry_failed: bool = False
) -> VotePlan:
    """How many votes a call of `judge_pairs` would ask, and why. Loads no model."""
    wanted, stored, failed = Counter[str](), Counter[str](), Counter[str]()
    for batch in batches(pairs, constitution, judge, store, PLAN_BATCH_PAIRS, retry_failed):
        for key, ask in batch.asks.items():
            wanted[ask.principle.id] += 1
            if key in batch.known:
                (stored if batch.is_final(batch.known[key]) else failed)[ask.principle.id] += 1
    ids = [principle.id for principle in constitution.principles]
    return VotePlan(tuple(PrinciplePlan(i, wanted[i], stored[i], wanted[i] - stored[i], failed[i]) for i in ids))


def judge_pairs(
    pairs: Iterable[Pair],
    constitution: Constitution,
    judge: Judge,
    store: Store[Vote],
    progress: Progress = silent,
    total: int | None = None,
    retry_failed: bool = False,
) -> JudgeCount:
    """Ask every vote that is not stored, or not final, committing each batch of pairs before the next.

    A kill -9 costs at most the batch in hand; where a judge cannot go on, the votes that it has given are committed
    before its error is raised. `pairs` is gone through a batch at a time (twice without `total`, the plan's `wanted`),
    and no vote is kept. Ticks count votes, those from the store included. Where another process asked the same
    meanwhile, the first result stays.
    """
    if total is None:
        total = plan_votes(pairs, constitution, judge, store, retry_failed).wanted
    tally = Tally()
    for batch in batches(pairs, constitution, judge, store, None, retry_failed):
        missing, started = batch.missing, time.perf_counter()
        stopped: PreceptorError | None = None
        try:
            answers = batch.judge.vote(missing) if missing else []
            assert [vote.request for vote in answers] == [ask.request for ask in missing], "votes out of order"
        except Stopped as stop:
            answers, stopped = stop.votes, stop.error
        if answers:
            tally.clock.add(batch.judge.digest, answers, time.perf_counter() - started)
        settled = store.settle({vote.key: vote for vote in answers}, batch.is_final) if answers else {}
        if stopped:
            raise stopped
        tally.add((batch.known | settled).values(), answers)
        done = sum(tally.states.values())
        from_store = done - tally.asked
        progress(Tick("votes", done, total, f"{from_store} from the store" if from_store else ""))
    return tally.count()


class Tally:
    """What `judge_pairs` counts on its way. A sum of digests is a digest of the set, and no vote need be kept."""

    def __init__(self) -> None:
        self.states, self.reasons = Counter[str](), Counter[str]()
        self.clock = Clock()
        self.asked = self.tokens_in = self.tokens_out = self.again = self.fingerprint = 0

    def add(self, votes: Iterable[Vote], asked: Sequence[Vote]) -> None:
        """A batch: all its votes, and as they were answered those that were asked just now."""
        for vote in votes:
            self.states[vote.state] += 1
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
            states=dict(self.states),
            reasons=dict(self.reasons),
            to_ask_again=self.again,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            paces=self.clock.paces,
            digest=f"{self.fingerprint % 2**128:032x}",
        )


def stored_votes(
    pairs: Iterable[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]
) -> Iterator[tuple[Pair, PairVotes]]:
    """Each pair with its stored votes, read a batch of pairs at a time. A vote that was never asked is absent."""
    for chunk in batched(pairs, PLAN_BATCH_PAIRS):
        wanted = [_vote_keys(pair, constitution, judge) for pair in chunk]
        known = store.get(key for by_principle in wanted for keys in by_principle.values() for key in keys)
        for pair, by_principle in zip(chunk, wanted, strict=True):
            yield pair, {i: tuple(known[key] for key in keys if key in known) for i, keys in by_principle.items()}


def _vote_keys(pair: Pair, constitution: Constitution, judge: Judge) -> dict[str, list[str]]:
    return {
        principle.id: [judge.request(pair, principle, showing).key for showing in judge.showings(principle)]
        for principle in in_scope(pair, constitution)
    }


def collect_votes(
    pairs: Iterable[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]
) -> dict[str, PairVotes]:
    """`stored_votes` of all the pairs at once, by pair key."""
    return {pair.key: votes for pair, votes in stored_votes(pairs, constitution, judge, store)}


def flat_votes(votes: Mapping[str, PairVotes]) -> list[Vote]:
    """All votes of `collect_votes` in one list, in its order."""
    return [vote for by_principle in votes.values() for group in by_principle.values() for vote in group]


def in_scope(pair: Pair, constitution: Constitution) -> list[Principle]:
    """The principles that apply to the pair's prompt."""
    return [principle for principle in constitution.principles if principle.applies_to(pair.prompt.tags)]


def batches(
    pairs: Iterable[Pair],
    constitution: Constitution,
    judge: Judge,
    store: Store[Vote],
    size: int | None,
    retry_failed: bool = False,
) -> Iterator[Batch]:
    """Each question once, `size` pairs at a time (None: as many as the judge commits together).

    The principles of one pair and order share a prefix: neighbours. A panel's members come one after the other.
    """
    with closing(SeenKeys()) as seen:
        for turn in turns(judge, constitution):
            for chunk in batched(pairs, size or turn.judge.batch_pairs):
                asks: Asks = {}
                for pair in chunk:
                    for ask in _asks(pair, turn):
                        asks.setdefault(ask.request.key, ask)
                fresh = seen.add(asks)
                asks = {key: ask for key, ask in asks.items() if key in fresh}
                yield Batch(turn.judge, asks, store.get(asks), finality(retry_failed))


def batched(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    """Lists of `size` neighbours; the last may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _asks(pair: Pair, turn: Turn) -> list[Ask]:
    """A judge's questions about one pair, those of one order together, and within it the replicates in turn."""
    asks = [
        Ask(turn.judge.request(pair, principle, showing), pair, principle)
        for principle in turn.principles
        if principle.applies_to(pair.prompt.tags)
        for showing in turn.judge.showings(principle)
    ]
    return sorted(asks, key=lambda ask: (ask.request.order, ask.request.replicate))
