"""Ask what is not in the store yet, a batch at a time; say beforehand how much that is; read it back afterwards.

A vote that failed is stored, so that a report can count it, but it is no result. Where the way to the model failed,
every later run asks once more; a failure that the same question would meet again (an answer that is no verdict, a
prompt too long) is asked again only on demand. A valid vote and an abstention are results, never asked again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple, TypeAlias

from constitution.chunks import batched
from constitution.errors import PreceptorError
from constitution.model import Constitution, Principle
from constitution.progress import Progress, Tick, silent
from constitution.scratch import SeenKeys
from constitution.store import Store
from generate.records import Pair
from judge.interface import Ask, Judge, Stopped
from judge.panel import Turn, turns
from judge.records import Vote
from judge.tally import JudgeCount, Tally

PLAN_BATCH_PAIRS = 256

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


class Batch(NamedTuple):
    """Some pairs' questions to one judge, each once in all, and the votes that the store has on them.

    `principles` are those that the judge votes on in this call, whether they apply to these pairs or not.
    """

    judge: Judge
    principles: tuple[Principle, ...]
    asks: Asks
    known: dict[str, Vote]
    is_final: Callable[[Vote], bool]

    @property
    def missing(self) -> list[Ask]:
        """The questions to put: those without a vote, and those whose vote is not final."""
        return [ask for key, ask in self.asks.items() if key not in self.known or not self.is_final(self.known[key])]


class Answered(NamedTuple):
    """What has become of a batch, or of a part of one: votes from the store, votes given just now in so many seconds.

    `stopped`: why the judge cannot go on; its votes so far are kept before that is raised.
    """

    judge: str
    known: dict[str, Vote]
    votes: Sequence[Vote]
    seconds: float
    stopped: PreceptorError | None = None


Answerer: TypeAlias = Callable[[Iterable[Batch]], "Generator[Answered]"]
"""How batches are put to their judges: here, or by others elsewhere, in whatever order the answers come."""


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
    answerer: Answerer | None = None,
) -> JudgeCount:
    """Ask every vote that is not stored, or not final, committing each batch of pairs before the next.

    A kill -9 costs at most the batch in hand; where a judge cannot go on, the votes that it has given are committed
    before its error is raised. `pairs` is gone through a batch at a time (twice without `total`, the plan's `wanted`),
    and no vote is kept. Ticks count votes, those from the store included. Where another process asked the same
    meanwhile, the first result stays. `answerer` is `ask_here` when omitted.
    """
    if total is None:
        total = plan_votes(pairs, constitution, judge, store, retry_failed).wanted
    tally, is_final, tokens = Tally(), finality(retry_failed), 0
    wanted = batches(pairs, constitution, judge, store, None, retry_failed)
    with closing((answerer or ask_here)(wanted)) as answers:
        for answered in answers:
            votes = answered.votes
            if votes:
                tally.clock.add(answered.judge, votes, answered.seconds)
            settled = store.settle({vote.key: vote for vote in votes}, is_final) if votes else {}
            if answered.stopped:
                raise answered.stopped
            tally.add((answered.known | settled).values(), votes)
            done = sum(tally.states.values())
            from_store = done - tally.asked
            note = f"{from_store} from the store" if from_store else ""
            tokens += sum(vote.tokens_in + vote.tokens_out for vote in votes)
            progress(Tick("votes", done, total, note, tokens))
    return tally.count()


def ask_here(batches: Iterable[Batch]) -> Generator[Answered]:
    """In this process, one batch after the other."""
    for batch in batches:
        yield ask_batch(batch.judge, batch.missing, batch.known)


def ask_batch(judge: Judge, asks: Sequence[Ask], known: dict[str, Vote]) -> Answered:
    """Put these questions to the judge, if there are any."""
    started = time.perf_counter()
    stopped: PreceptorError | None = None
    try:
        votes = judge.vote(asks) if asks else []
        assert [vote.request for vote in votes] == [ask.request for ask in asks], "votes out of order"
    except Stopped as stop:
        votes, stopped = stop.votes, stop.error
    return Answered(judge.digest, known, votes, time.perf_counter() - started, stopped)


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
    for turn in turns(judge, constitution):
        with SeenKeys() as seen:
            for chunk in batched(pairs, size or turn.judge.batch_pairs):
                # A question is about one pair: what was seen of pairs need not be kept of questions.
                subjects = [_subject(pair) for pair in chunk]
                fresh = seen.add(subjects)
                asks: Asks = {}
                for subject, pair in zip(subjects, chunk, strict=True):
                    if subject in fresh:
                        for ask in _asks(pair, turn):
                            asks.setdefault(ask.request.key, ask)
                yield Batch(turn.judge, turn.principles, asks, store.get(asks), finality(retry_failed))


def _subject(pair: Pair) -> str:
    """What decides a pair's questions: its content, and the tags that scopes go by."""
    return " ".join((pair.key, *sorted(pair.prompt.tags)))


def _asks(pair: Pair, turn: Turn) -> list[Ask]:
    """A judge's questions about one pair, those of one order together, and within it the replicates in turn."""
    asks = [
        Ask(turn.judge.request(pair, principle, showing), pair, principle)
        for principle in turn.principles
        if principle.applies_to(pair.prompt.tags)
        for showing in turn.judge.showings(principle)
    ]
    return sorted(asks, key=lambda ask: (ask.request.order, ask.request.replicate))
