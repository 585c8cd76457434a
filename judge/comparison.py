"""Two or more judges on the same pairs, before any training: where they differ, what would flip, what each costs.

    comparison = compare_all(pairs, constitution, [Judged("small", ...), Judged("large", ...)])

The first judge of a couple is the one whose labels the second's would replace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.agreement import Agreement, Leaning, Rate, compare_judges, rate
from judge.ask import PairVotes, flat_votes, in_scope
from judge.calibration import Applied
from judge.interface import Judge
from judge.labels import Preference, label_pair, probability, view
from judge.pace import Pace
from judge.records import Label, Vote
from judge.tally import JudgeCount

EXAMPLES_A_PRINCIPLE = 2
EXAMPLES = 12


class Judged(NamedTuple):
    """One judge, its votes on the pairs by pair key, and what asking for them took."""

    name: str
    judge: Judge
    model: str | None
    votes: Mapping[str, PairVotes]
    account: JudgeCount
    pace: Pace | None
    calibration: Applied | None


class Cost(Record):
    """What one judge's votes on these pairs take, whether they were asked now or were in the store."""

    votes: int
    """Votes wanted: one call each."""
    asked: int
    """Calls made now; the other votes were in the store."""
    failed: int
    """Votes without a usable answer."""
    tokens_in: float
    """Prompt tokens a vote, as the engine counted them."""
    tokens_out: float
    """Generated tokens a vote."""
    seconds: float | None
    """Seconds a vote, measured over the batches asked now or before by this judge here; None: never measured."""


class Side(Record):
    """One of the judges compared."""

    name: str
    """Its name in the run file."""
    model: str | None
    """Its model, if it has one."""
    digest: str
    """Identity of the judge."""
    cost: Cost
    """What it takes."""
    labelled: int
    """Pairs that have a label by its votes."""


class Flips(Record):
    """Labels that would take the other side if the second judge voted instead of the first."""

    share: Rate
    """Of the pairs that both label: with the other side preferred."""
    only_first: int
    """Pairs that only the first judge labels."""
    only_second: int
    """Pairs that only the second judge labels."""
    by_principle: dict[str, int]
    """Flipped pairs by the principle whose weighted share moved furthest towards the other side."""


class Difference(Record):
    """A pair on which the judges take different sides for one principle."""

    principle: str
    """The principle's id."""
    pair: Pair
    """The texts."""
    first: tuple[Vote, ...]
    """The first judge's votes."""
    second: tuple[Vote, ...]
    """The second judge's votes."""
    first_p: float
    """p that `a` is better, by the first judge, calibrated where it has a calibration."""
    second_p: float
    """The same by the second."""


class Couple(Record):
    """Two of the judges, compared."""

    first: str
    """One judge's name."""
    second: str
    """The other's."""
    principles: tuple[Agreement, ...]
    """One for each principle."""
    flips: Flips
    """The labels that would change."""
    examples: tuple[Difference, ...]
    """Where they differ most."""


class Comparison(Record):
    """Judges on the same pairs."""

    judges: tuple[Side, ...]
    """In the order in which they were named."""
    pairs: tuple[str, ...]
    """Keys of the pairs."""
    prompts: int
    """How many prompts these are of."""
    couples: tuple[Couple, ...]
    """Every two of them."""


def compare_all(pairs: Sequence[Pair], constitution: Constitution, judged: Sequence[Judged]) -> Comparison:
    """Every two judges. Labels are those of the pairs as they are, before any choice of a pair a prompt."""
    labels = [
        [label_pair(p, one.votes[p.key], constitution, one.judge, one.calibration) for p in pairs] for one in judged
    ]
    return Comparison(
        judges=tuple(_side(one, found) for one, found in zip(judged, labels, strict=True)),
        pairs=tuple(pair.key for pair in pairs),
        prompts=len({pair.prompt.key for pair in pairs}),
        couples=tuple(
            Couple(
                first=judged[i].name,
                second=judged[j].name,
                principles=tuple(compare_judges(pairs, constitution, judged[i].votes, judged[j].votes)),
                flips=count_flips(pairs, labels[i], labels[j]),
                examples=tuple(_examples(pairs, constitution, judged[i], judged[j])),
            )
            for i, j in combinations(range(len(judged)), 2)
        ),
    )


def count_flips(pairs: Sequence[Pair], first: Sequence[Label], second: Sequence[Label]) -> Flips:
    """How many labels change sides, and by which principle. All in the order of `pairs`."""
    rows: list[Leaning] = []
    blamed = Counter[str]()
    for pair, one, two in zip(pairs, first, second, strict=True):
        if one.p is None or two.p is None:
            continue
        flipped = (one.p > 0.5) != (two.p > 0.5)
        rows.append(Leaning(pair.prompt.key, flipped))
        if flipped:
            blamed[responsible(one, two)] += 1
    return Flips(
        share=rate(rows),
        only_first=sum(one.p is not None and two.p is None for one, two in zip(first, second, strict=True)),
        only_second=sum(one.p is None and two.p is not None for one, two in zip(first, second, strict=True)),
        by_principle=dict(blamed.most_common()),
    )


def responsible(one: Label, two: Label) -> str:
    """The principle whose w_k (p_k - 1/2) moves furthest from the first label's side towards the second's."""
    assert one.p is not None, "only a label can flip"
    sign = 1 if one.p > 0.5 else -1
    before, after = ({s.principle: s.weight * (s.p - 0.5) for s in label.shares} for label in (one, two))
    return max(sorted({*before, *after}), key=lambda i: sign * (before.get(i, 0.0) - after.get(i, 0.0)))


def _examples(pairs: Sequence[Pair], constitution: Constitution, first: Judged, second: Judged) -> list[Difference]:
    """The widest differences of opinion, a few for each principle."""
    found = [
        example
        for pair in pairs
        for principle in in_scope(pair, constitution)
        if (example := _example(pair, principle, first, second)) is not None
    ]
    found.sort(key=lambda example: (-abs(example.first_p - example.second_p), example.principle, example.pair.key))
    taken = Counter[str]()
    kept = []
    for example in found:
        taken[example.principle] += 1
        if taken[example.principle] <= EXAMPLES_A_PRINCIPLE:
            kept.append(example)
    return kept[:EXAMPLES]


def _example(pair: Pair, principle: Principle, first: Judged, second: Judged) -> Difference | None:
    """The pair, if both judges take a side for the principle and it is not the same one."""
    votes = [one.votes[pair.key].get(principle.id, ()) for one in (first, second)]
    views = [view(v, principle, one.judge, one.calibration) for v, one in zip(votes, (first, second), strict=True)]
    logits = [found.logit for found in views if isinstance(found, Preference)]
    if len(logits) < 2 or logits[0] * logits[1] >= 0:
        return None
    return Difference(
        principle=principle.id,
        pair=pair,
        first=votes[0],
        second=votes[1],
        first_p=probability(logits[0]),
        second_p=probability(logits[1]),
    )


def _side(judged: Judged, labels: Sequence[Label]) -> Side:
    votes = flat_votes(judged.votes)
    count, n = judged.account, max(len(votes), 1)
    return Side(
        name=judged.name,
        model=judged.model,
        digest=judged.judge.digest,
        cost=Cost(
            votes=sum(count.states.values()),
            asked=count.asked,
            failed=sum(vote.state == "failed" for vote in votes),
            tokens_in=sum(vote.tokens_in for vote in votes) / n,
            tokens_out=sum(vote.tokens_out for vote in votes) / n,
            seconds=judged.pace.seconds_a_vote if judged.pace else None,
        ),
        labelled=sum(label.p is not None for label in labels),
    )
