"""How far two judges agree, principle by principle, and how far each agrees with itself when the order is turned round.

Intervals are over prompts, several pairs of one prompt not being independent: Wilson's at the effective sample size for
shares, a percentile bootstrap over prompts for Cohen's kappa (see judge/resampling.py).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.ask import PairVotes
from judge.interface import Showing, preferred
from judge.labels import Missing, averaged, preference
from judge.records import Order, Vote
from judge.resampling import Z_95, Z_POWER, Score, share_score
from judge.scores import as_floats, kappa, sigmoid

ORDERS: tuple[Order, ...] = ("ab", "ba")


class Rate(Score):
    """`hits` of `n`, as a share with its interval; None where n is 0."""

    hits: int


class JudgeFacts(Record):
    """One judge on one principle."""

    votes: int
    """Votes that it gave, in any state."""
    failed: int
    """Votes that failed, abstained or were never asked: no preference comes of them."""
    order_consistency: Rate
    """Of the pairs seen in both orders with a leaning in each: the same response preferred in both."""
    first_slot: Rate
    """Of the votes with a leaning: naming the response shown first, before the principle's polarity."""


class Agreement(Record):
    """Two judges on one principle."""

    principle: str
    """The principle's id."""
    pairs: int
    """Pairs in the principle's scope."""
    undecided: int
    """Pairs on which both have a view and at least one of them is exactly one half: not agreement, not disagreement."""
    agreement: Rate
    """Of the pairs that both decide: decided alike."""
    kappa: Score
    """Cohen's kappa over the same pairs."""
    first: JudgeFacts
    """One judge."""
    second: JudgeFacts
    """The other."""
    same_votes: bool = False
    """Whether these are the same votes: of a panel that leaves the principle to the other judge."""


class _Judgement(NamedTuple):
    """A judge's votes by pair key and principle id, and the showings in which it was asked, by principle id."""

    showings: Mapping[str, tuple[Showing, ...]]
    votes: Mapping[str, PairVotes]


class Leaning(NamedTuple):
    """Whether something holds of one row, and the prompt that the row belongs to."""

    prompt: str
    holds: bool


def compare_judges(
    pairs: Sequence[Pair],
    constitution: Constitution,
    first: Mapping[str, PairVotes],
    second: Mapping[str, PairVotes],
) -> list[Agreement]:
    """One Agreement for each principle, in the constitution's order. Votes come from `judge.ask.collect_votes`."""
    one, two = _judgement(first), _judgement(second)
    return [_compare(pairs, principle, one, two) for principle in constitution.principles]


def _judgement(votes: Mapping[str, PairVotes]) -> _Judgement:
    """A showing that some pair had for a principle, every pair was to have: a pair without it is missing."""
    found: dict[str, set[Showing]] = defaultdict(set)
    for by_principle in votes.values():
        for principle, group in by_principle.items():
            found[principle] |= {Showing(vote.request.order, vote.request.replicate) for vote in group}
    return _Judgement({principle: tuple(sorted(showings)) for principle, showings in found.items()}, votes)


def _compare(pairs: Sequence[Pair], principle: Principle, first: _Judgement, second: _Judgement) -> Agreement:
    scoped = [pair for pair in pairs if principle.applies_to(pair.prompt.tags)]
    both = [
        (pair.prompt.key, one, two)
        for pair in scoped
        if (one := _logit(pair, principle, first)) is not None and (two := _logit(pair, principle, second)) is not None
    ]
    decided = [row for row in both if row[1] != 0 and row[2] != 0]
    prompts, ones, twos = zip(*decided, strict=True) if decided else ((), (), ())
    return Agreement(
        principle=principle.id,
        pairs=len(scoped),
        undecided=len(both) - len(decided),
        agreement=rate(Leaning(prompt, (one > 0) == (two > 0)) for prompt, one, two in decided),
        kappa=kappa(sigmoid(as_floats(ones)), sigmoid(as_floats(twos)), prompts),
        first=_facts(scoped, principle, first),
        second=_facts(scoped, principle, second),
        same_votes=_same_votes(scoped, principle, first, second),
    )


def _same_votes(pairs: Sequence[Pair], principle: Principle, first: _Judgement, second: _Judgement) -> bool:
    one, two = ([_votes(pair, principle, judgement) for pair in pairs] for judgement in (first, second))
    return any(one) and one == two


def _logit(pair: Pair, principle: Principle, judgement: _Judgement) -> float | None:
    view = preference(_votes(pair, principle, judgement), _showings(principle, judgement))
    return None if isinstance(view, Missing) else view.logit


def _showings(principle: Principle, judgement: _Judgement) -> tuple[Showing, ...]:
    return judgement.showings.get(principle.id) or (Showing("ab"),)


def _votes(pair: Pair, principle: Principle, judgement: _Judgement) -> tuple[Vote, ...]:
    return judgement.votes.get(pair.key, {}).get(principle.id, ())


def _facts(pairs: Sequence[Pair], principle: Principle, judgement: _Judgement) -> JudgeFacts:
    by_pair = [(pair.prompt.key, _votes(pair, principle, judgement)) for pair in pairs]
    logits = [(prompt, _leanings(votes)) for prompt, votes in by_pair]
    valid = sum(vote.state == "valid" for _, votes in by_pair for vote in votes)
    return JudgeFacts(
        votes=sum(len(votes) for _, votes in by_pair),
        failed=len(pairs) * len(_showings(principle, judgement)) - valid,
        order_consistency=rate(
            Leaning(prompt, (found[0] > 0) != (found[1] > 0)) for prompt, found in logits if len(found) == 2
        ),
        first_slot=rate(
            Leaning(prompt, preferred(principle, logit) > 0) for prompt, found in logits for logit in found
        ),
    )


def _leanings(votes: Sequence[Vote]) -> list[float]:
    """One logit an order, replicates averaged, where there is one that leans."""
    by_order = [[v.logit for v in votes if v.request.order == order and v.logit is not None] for order in ORDERS]
    return [leaning for logits in by_order if logits and (leaning := averaged(logits))]


def rate(rows: Iterable[Leaning]) -> Rate:
    """How many of the rows hold, with an interval over their prompts."""
    found = list(rows)
    score = share_score(np.array([row.holds for row in found], dtype=np.float64), [row.prompt for row in found])
    return Rate(hits=sum(row.holds for row in found), **score.model_dump())


def detectable_agreement(found: Rate) -> float:
    """The agreement that as many prompts tell from one half at 95 %, with 80 % power: (1 + (z + z_p) / sqrt n) / 2."""
    return min(1.0, 0.5 + (Z_95 + Z_POWER) * 0.5 / math.sqrt(found.clusters))


def would_show(found: Rate, what: Literal["agreement", "share"]) -> str:
    """What these prompts could have told from one half, as the end of a sentence."""
    least = detectable_agreement(found)
    if round(100 * least) >= 100:
        return f"with so few, no {what} would be sure to show"
    return f"with so many, only {'an' if what == 'agreement' else 'a'} {what} of {100 * least:.0f} % or more would show"


def verdict_on(agreement: Agreement, first: str = "The first judge", second: str = "the second judge") -> str:
    """The figures in plain words: better than, at, or below chance; and who answers by position."""
    found = agreement.agreement
    if agreement.same_votes:
        return f"{first} and {second} are one judge here, the principle's source, so nothing is compared."
    if found.value is None or found.low is None or found.high is None:
        return f"{first} and {second} have no pair that both decide."
    ends = f"[{100 * found.low:.0f}, {100 * found.high:.0f}]"
    share = f"{100 * found.value:.0f} % of {found.n} {'pair' if found.n == 1 else 'pairs'} {ends}"
    if found.low > 0.5:
        sentence = f"{first} and {second} agree better than chance: on {share}."
    elif found.high < 0.5:
        sentence = f"{first} and {second} are opposed: they agree on only {share}, less than chance."
    else:
        sentence = (
            f"{first} and {second} cannot be told from chance: they agree on {share}; {would_show(found, 'agreement')}."
        )
    notes = [_on_position(name, facts) for name, facts in ((first, agreement.first), (second, agreement.second))]
    return " ".join([sentence, *filter(None, notes)])


def _on_position(name: str, facts: JudgeFacts) -> str | None:
    consistency, slot = facts.order_consistency, facts.first_slot
    if consistency.high is None or slot.value is None or consistency.high >= 0.5:
        return None
    side = "first" if slot.value > 0.5 else "second"
    return f"{name[0].upper()}{name[1:]} answers by position: it mostly prefers whatever it is shown {side}."
