"""How far two judges agree, principle by principle, and how far each agrees with itself when the order is turned round.

Intervals: Wilson's score interval for rates (Wilson 1927), a percentile bootstrap over pairs for Cohen's kappa (Cohen
1960). Both take pairs as independent; several pairs of one prompt are not quite, so true intervals are a little wider.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from constitution.identity import seed_from
from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.ask import PairVotes
from judge.interface import Showing
from judge.labels import Missing, averaged, preference
from judge.records import Order, Vote

ORDERS: tuple[Order, ...] = ("ab", "ba")
Z_95 = 1.959963984540054
BOOTSTRAP_DRAWS = 2000


class Rate(Record):
    """`hits` of `n`, as a share with its 95 % Wilson interval; None where n is 0."""

    hits: int
    n: int
    value: float | None
    low: float | None
    high: float | None


class Kappa(Record):
    """Chance-corrected agreement with its 95 % bootstrap interval; None where chance alone explains everything."""

    value: float | None
    low: float | None
    high: float | None


class JudgeFacts(Record):
    """One judge on one principle."""

    votes: int
    """Votes that it gave, in any state."""
    failed: int
    """Votes that failed, abstained or were never asked: no preference comes of them."""
    order_consistency: Rate
    """Of the pairs seen in both orders with a leaning in each: the same response preferred in both."""
    first_slot: Rate
    """Of the votes with a leaning: for the response shown first."""


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
    kappa: Kappa
    """Cohen's kappa over the same pairs."""
    first: JudgeFacts
    """One judge."""
    second: JudgeFacts
    """The other."""


class _Judgement(NamedTuple):
    """A judge's votes by pair key and principle id, and the showings in which it was asked, by principle id."""

    showings: Mapping[str, tuple[Showing, ...]]
    votes: Mapping[str, PairVotes]


class Table(NamedTuple):
    """The 2 x 2 counts of two judges' verdicts: `ab` is first judge for `a`, second judge for `b`."""

    aa: int
    ab: int
    ba: int
    bb: int


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
        (one, two)
        for pair in scoped
        if (one := _logit(pair, principle, first)) is not None and (two := _logit(pair, principle, second)) is not None
    ]
    table = count_table([(one > 0, two > 0) for one, two in both if one != 0 and two != 0])
    return Agreement(
        principle=principle.id,
        pairs=len(scoped),
        undecided=sum(one == 0 or two == 0 for one, two in both),
        agreement=rate(table.aa + table.bb, sum(table)),
        kappa=bootstrapped_kappa(table),
        first=_facts(scoped, principle, first),
        second=_facts(scoped, principle, second),
    )


def _logit(pair: Pair, principle: Principle, judgement: _Judgement) -> float | None:
    view = preference(_votes(pair, principle, judgement), _showings(principle, judgement))
    return None if isinstance(view, Missing) else view.logit


def _showings(principle: Principle, judgement: _Judgement) -> tuple[Showing, ...]:
    return judgement.showings.get(principle.id) or (Showing("ab"),)


def _votes(pair: Pair, principle: Principle, judgement: _Judgement) -> tuple[Vote, ...]:
    return judgement.votes.get(pair.key, {}).get(principle.id, ())


def _facts(pairs: Sequence[Pair], principle: Principle, judgement: _Judgement) -> JudgeFacts:
    by_pair = [_votes(pair, principle, judgement) for pair in pairs]
    logits = [_leanings(votes) for votes in by_pair]
    twice = [leanings for leanings in logits if len(leanings) == 2]
    leaning = [logit for leanings in logits for logit in leanings]
    given = sum(len(votes) for votes in by_pair)
    valid = sum(vote.state == "valid" for votes in by_pair for vote in votes)
    return JudgeFacts(
        votes=given,
        failed=len(pairs) * len(_showings(principle, judgement)) - valid,
        order_consistency=rate(sum((one > 0) != (two > 0) for one, two in twice), len(twice)),
        first_slot=rate(sum(logit > 0 for logit in leaning), len(leaning)),
    )


def _leanings(votes: Sequence[Vote]) -> list[float]:
    """One logit an order, replicates averaged, where there is one that leans."""
    by_order = [[v.logit for v in votes if v.request.order == order and v.logit is not None] for order in ORDERS]
    return [leaning for logits in by_order if logits and (leaning := averaged(logits))]


def rate(hits: int, n: int) -> Rate:
    """hits / n with Wilson's interval: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)."""
    if n == 0:
        return Rate(hits=0, n=0, value=None, low=None, high=None)
    p, z2 = hits / n, Z_95**2
    centre = p + z2 / (2 * n)
    spread = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (max(0.0, (centre - spread) / (1 + z2 / n)), min(1.0, (centre + spread) / (1 + z2 / n)))
    return Rate(hits=hits, n=n, value=p, low=low, high=high)


def count_table(verdicts: Iterable[tuple[bool, bool]]) -> Table:
    """The 2 x 2 table of (first judge prefers a, second judge prefers a)."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for verdict in verdicts:
        counts[verdict] += 1
    return Table(*counts.values())


def cohens_kappa(table: Table) -> float | None:
    """(p_o - p_e) / (1 - p_e), p_e from both judges' own rates; None if p_e is 1 or there is nothing."""
    n = sum(table)
    if n == 0:
        return None
    first_a, second_a = table.aa + table.ab, table.aa + table.ba
    chance = first_a * second_a + (n - first_a) * (n - second_a)
    if chance == n * n:
        return None
    return (n * (table.aa + table.bb) - chance) / (n * n - chance)


def bootstrapped_kappa(table: Table) -> Kappa:
    """Kappa with a percentile interval. Drawing n pairs with replacement is one multinomial draw of the table.

    The seed comes from the table, so the same votes always give the same interval. Draws without a kappa are left out.
    """
    import numpy as np

    value = cohens_kappa(table)
    if value is None:
        return Kappa(value=None, low=None, high=None)
    n = sum(table)
    generator = np.random.default_rng(seed_from("kappa", *table))
    draws = generator.multinomial(n, [count / n for count in table], size=BOOTSTRAP_DRAWS)
    values = [k for row in draws.tolist() if (k := cohens_kappa(Table(*row))) is not None]
    low, high = np.quantile(values, [0.025, 0.975])
    return Kappa(value=value, low=float(low), high=float(high))


def verdict_on(agreement: Agreement, first: str = "The first judge", second: str = "the second judge") -> str:
    """The figures in plain words: better than, at, or below chance; and who answers by position."""
    found = agreement.agreement
    if found.value is None or found.low is None or found.high is None:
        return f"{first} and {second} have no pair that both decide."
    share = f"{found.value:.0%} of {found.n} pairs [{found.low:.0%}, {found.high:.0%}]"
    if found.low > 0.5:
        sentence = f"{first} and {second} agree better than chance: on {share}."
    elif found.high < 0.5:
        sentence = f"{first} and {second} are opposed: they agree on only {share}, less than chance."
    else:
        sentence = f"{first} and {second} cannot be told from chance: they agree on {share}."
    notes = [_on_position(name, facts) for name, facts in ((first, agreement.first), (second, agreement.second))]
    return " ".join([sentence, *filter(None, notes)])


def _on_position(name: str, facts: JudgeFacts) -> str | None:
    consistency, slot = facts.order_consistency, facts.first_slot
    if consistency.high is None or slot.value is None or consistency.high >= 0.5:
        return None
    side = "first" if slot.value > 0.5 else "second"
    return f"{name[0].upper()}{name[1:]} answers by position: it mostly prefers whatever it is shown {side}."
