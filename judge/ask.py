"""Ask what is not in the store yet, a batch at a time; say beforehand how much that is; read it back afterwards.

A vote that failed is stored, so that a report can count it, but it is no result: every later run asks it once again. A
valid vote and an abstention are results and are never asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from constitution.model import Constitution, Principle
from constitution.progress import Progress, Tick, silent
from constitution.record import Record
from constitution.store import Store
from generate.records import Pair
from judge.interface import Ask, Judge
from judge.panel import Turn, turns
from judge.records import Vote

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
    tokens_in: int
    """Prompt tokens of this call."""
    tokens_out: int
    """Tokens generated in this call."""


def plan_votes(pairs: Sequence[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]) -> VotePlan:
    """How many votes a call of `judge_pairs` would ask, and why. Loads no model."""
    wanted, stored, failed = Counter[str](), Counter[str](), Counter[str]()
    for asks in _batches(pairs, constitution, judge, PLAN_BATCH_PAIRS):
        known = store.get(asks)
        for key, ask in asks.items():
            wanted[ask.principle.id] += 1
            if key in known:
                (stored if known[key].settled else failed)[ask.principle.id] += 1
    ids = [principle.id for principle in constitution.principles]
    return VotePlan(tuple(PrinciplePlan(i, wanted[i], stored[i], wanted[i] - stored[i], failed[i]) for i in ids))


def judge_pairs(
    pairs: Sequence[Pair],
    constitution: Constitution,
    judge: Judge,
    store: Store[Vote],
    progress: Progress = silent,
) -> JudgeCount:
    """Ask every vote that is not stored (or failed), committing each batch of pairs before the next.

    A kill -9 costs at most the batch in hand. Ticks count votes, those from the store included.
    """
    total = sum(len(asks) for asks in _batches(pairs, constitution, judge, PLAN_BATCH_PAIRS))
    states, reasons = Counter[str](), Counter[str]()
    asked = tokens_in = tokens_out = 0
    for asks in _batches(pairs, constitution, judge, None):
        known = store.get(asks)
        missing = [ask for key, ask in asks.items() if key not in known or not known[key].settled]
        if missing:
            answers = judge.vote(missing)
            assert [vote.request for vote in answers] == [ask.request for ask in missing], "votes out of order"
            store.put({vote.key: vote for vote in answers})
            known |= {vote.key: vote for vote in answers}
            asked += len(answers)
            tokens_in += sum(vote.tokens_in for vote in answers)
            tokens_out += sum(vote.tokens_out for vote in answers)
        states.update(vote.state for vote in known.values())
        reasons.update(vote.reason for vote in known.values() if vote.reason is not None)
        done = sum(states.values())
        progress(Tick("votes", done, total, f"{done - asked} from the store" if done > asked else ""))
    return JudgeCount(
        asked=asked,
        stored=sum(states.values()) - asked,
        states=dict(states),
        reasons=dict(reasons),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def collect_votes(
    pairs: Sequence[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]
) -> dict[str, PairVotes]:
    """Stored votes by pair key, then principle id. A vote that was never asked is simply absent."""
    found: dict[str, PairVotes] = {}
    for pair in pairs:
        wanted = {
            principle.id: [judge.request(pair, principle, showing).key for showing in judge.showings(principle)]
            for principle in in_scope(pair, constitution)
        }
        known = store.get(key for keys in wanted.values() for key in keys)
        found[pair.key] = {i: tuple(known[key] for key in keys if key in known) for i, keys in wanted.items()}
    return found


def flat_votes(votes: Mapping[str, PairVotes]) -> list[Vote]:
    """All votes of `collect_votes` in one list, in its order."""
    return [vote for by_principle in votes.values() for group in by_principle.values() for vote in group]


def in_scope(pair: Pair, constitution: Constitution) -> list[Principle]:
    """The principles that apply to the pair's prompt."""
    return [principle for principle in constitution.principles if principle.applies_to(pair.prompt.tags)]


def _batches(pairs: Sequence[Pair], constitution: Constitution, judge: Judge, size: int | None) -> Iterator[Asks]:
    """Each question once, `size` pairs at a time (None: as many as the judge commits together).

    The principles of one pair and order share a prefix: neighbours.
    """
    seen: set[str] = set()
    for turn in turns(judge, constitution):
        step = size or turn.judge.batch_pairs
        for start in range(0, len(pairs), step):
            asks: Asks = {}
            for pair in pairs[start : start + step]:
                for ask in _asks(pair, turn):
                    if (key := ask.request.key) not in seen:
                        seen.add(key)
                        asks[key] = ask
            yield asks


def _asks(pair: Pair, turn: Turn) -> list[Ask]:
    """A judge's questions about one pair, those of one order together, and within it the replicates in turn."""
    asks = [
        Ask(turn.judge.request(pair, principle, showing), pair, principle)
        for principle in turn.principles
        if principle.applies_to(pair.prompt.tags)
        for showing in turn.judge.showings(principle)
    ]
    return sorted(asks, key=lambda ask: (ask.request.order, ask.request.replicate))
