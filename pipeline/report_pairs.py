"""The run's pairs as the report needs them: counted over all of them as they are read, and some kept whole.

What would become of a label without a principle or a couple of them is worked out for about MAP_PAIRS pairs, or else a
report of 100,000 pairs would take minutes. They are all pairs of the prompts that the prompts' keys choose, the same in
every run; every figure of them says its n, and `preceptor conflicts` takes all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from generate.records import Pair
from judge.ask import collect_votes, flat_votes, stored_votes
from judge.records import Label, Vote
from judge.verified import under_constitution
from pipeline.context import Run
from pipeline.judged import again, by_the_judge, other_pairs
from pipeline.stage_judge import read_account
from reports.data import JudgedPair
from reports.decided import DecidedPair, decided_pairs
from reports.labels import LabelStatistics, count_states, label_statistics

MAP_PAIRS = 10_000
PAIRS_IN_REPORT = 200
DECIDED_IN_REPORT = 5
"""Pairs listed for each principle."""


class Kept(NamedTuple):
    """A pair and its label."""

    pair: Pair
    label: Label


class ReadPairs(NamedTuple):
    """Statistics of all pairs, and some pairs themselves."""

    statistics: LabelStatistics
    drawn: list[Kept]
    """All pairs, or of many those of the prompts that were drawn."""
    seen: list[Kept]
    """Those that the second judge saw."""


def read_pairs(run: Run, total: int, seen: Collection[str]) -> ReadPairs:
    """Read every pair and label once, about `total` of them; `seen` are the keys of the pairs that a second judge saw.

    Raises DataError if the labels are of other pairs, of another constitution or by another judge.
    """
    drawn: list[Kept] = []
    by_second: list[Kept] = []

    def judged() -> Iterator[tuple[str, Label]]:
        for kept in _labelled(run):
            prompt = kept.pair.prompt.key
            if is_drawn(prompt, MAP_PAIRS / max(1, total)):
                drawn.append(kept)
            if kept.pair.key in seen:
                by_second.append(kept)
            yield prompt, kept.label

    states, config = vote_states(run), run.config
    statistics = label_statistics(run.constitution, judged(), states, config.behaviour, config.seed)
    return ReadPairs(statistics, drawn, by_second)


def is_drawn(prompt_key: str, share: float) -> bool:
    """Whether this prompt is among a share of all: by its key alone, which is a digest and so as good as a die."""
    return int(prompt_key[:8], 16) < share * 2**32


def _labelled(run: Run) -> Iterator[Kept]:
    labels = by_the_judge(run, under_constitution(run.labels(), run.constitution, again(run)))
    for pair, label in zip_longest(run.pairs(), labels):
        if pair is None or label is None or pair.key != label.pair_key:
            raise other_pairs(run)
        yield Kept(pair, label)


def vote_states(run: Run) -> Mapping[str, Mapping[str, int]]:
    """Principle key -> state -> votes, from the judge's account; counted anew where an older version wrote it."""
    counted: Mapping[str, Mapping[str, int]] | None = read_account(run)["count"].get("by_principle")
    if counted is not None:
        return counted
    judge = run.judge(run.config.judge)
    with run.judged_votes() as store:
        rows = stored_votes(run.pairs(), run.constitution, judge, store)
        return count_states(vote for pair, votes in rows for vote in flat_votes({pair.key: votes}))


def deciding_pairs(run: Run, drawn: Sequence[Kept]) -> dict[str, tuple[DecidedPair, ...]]:
    """For each principle the trained-on labels that are others without it, its largest parts first, the first few."""
    labels = [kept.label for kept in drawn if kept.label.p is not None]
    return {
        principle.id: tuple(decided_pairs(labels, run.constitution, principle.id)[:DECIDED_IN_REPORT])
        for principle in run.constitution.principles
    }


def shown_pairs(
    run: Run, read: ReadPairs, deciding: Mapping[str, Sequence[DecidedPair]], second: Mapping[str, Sequence[Vote]]
) -> list[JudgedPair]:
    """The pairs that the second judge saw, then those that some principle decides, then labelled ones, then the rest:
    at most PAIRS_IN_REPORT, with their votes."""
    decisive = {row.pair for rows in deciding.values() for row in rows}
    known = {kept.pair.key: kept for kept in (*read.seen, *read.drawn)}
    ranked = sorted(known.values(), key=lambda kept: _rank(kept, second, decisive))[:PAIRS_IN_REPORT]
    with run.judged_votes() as store:
        votes = collect_votes([kept.pair for kept in ranked], run.constitution, run.judge(run.config.judge), store)
    return [
        JudgedPair(
            pair=kept.pair,
            label=kept.label,
            votes=tuple(flat_votes({kept.pair.key: votes[kept.pair.key]})),
            second_votes=tuple(second.get(kept.pair.key, ())),
        )
        for kept in ranked
    ]


def _rank(kept: Kept, second: Collection[str], decisive: Collection[str]) -> tuple[bool, bool, bool]:
    return kept.pair.key not in second, kept.pair.key not in decisive, kept.label.p is None
