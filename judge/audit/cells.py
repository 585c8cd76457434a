"""A judge's votes as cells: one for each pair and principle in whose scope it is, with what the votes come to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.records import Pair
from judge.ask import PairVotes, collect_votes, in_scope
from judge.interface import Judge, preferred
from judge.labels import Missing, Preference, averaged, preference
from judge.records import Order, Vote
from judge.resampling import Floats


class Cell(NamedTuple):
    """One principle's view of one pair, and the votes behind it."""

    pair: Pair
    principle: Principle
    wanted: int
    """Votes that should be there."""
    orders: int
    """In how many orders the pair is shown for this principle: 1 or 2."""
    votes: tuple[Vote, ...]
    view: Preference | Missing

    @property
    def logit(self) -> float | None:
        """log odds that `a` is better; None without a view."""
        return self.view.logit if isinstance(self.view, Preference) else None

    @property
    def prompt(self) -> str:
        """The cluster: pairs of one prompt are not independent."""
        return self.pair.prompt.key


def collect_cells(pairs: Sequence[Pair], constitution: Constitution, judge: Judge, store: Store[Vote]) -> list[Cell]:
    """The stored votes as cells, pair by pair. Asks nothing."""
    return make_cells(pairs, constitution, judge, collect_votes(pairs, constitution, judge, store))


def make_cells(
    pairs: Sequence[Pair], constitution: Constitution, judge: Judge, votes: Mapping[str, PairVotes]
) -> list[Cell]:
    """The same from votes by pair key and principle id."""
    found = []
    for pair in pairs:
        for principle in in_scope(pair, constitution):
            given, showings = votes.get(pair.key, {}).get(principle.id, ()), judge.showings(principle)
            orders = len({showing.order for showing in showings})
            found.append(Cell(pair, principle, len(showings), orders, given, preference(given, showings)))
    return found


def by_order(cell: Cell) -> dict[Order, float]:
    """The logit for the response shown first, by order, replicates averaged; no entry without a valid vote."""
    logits: dict[Order, list[float]] = defaultdict(list)
    for vote in cell.votes:
        if vote.logit is not None:
            logits[vote.request.order].append(vote.logit)
    return {order: averaged(values) for order, values in logits.items()}


def answers(cell: Cell) -> dict[Order, float]:
    """`by_order` as the judge answered, before polarity: above 0 it named the response shown first."""
    return {order: preferred(cell.principle, logit) for order, logit in by_order(cell).items()}


def of_principle(cells: Sequence[Cell], principle_id: str) -> list[Cell]:
    """The cells of one principle."""
    return [cell for cell in cells if cell.principle.id == principle_id]


def key_of(cell: Cell) -> tuple[str, str]:
    """What a cell of another asking is matched by."""
    return cell.pair.key, cell.principle.id


def floats(values: Sequence[float | bool]) -> Floats:
    """Numbers as the scores take them."""
    return np.asarray(values, dtype=np.float64)


def log_length(pair: Pair) -> float:
    """ln(words a / words b); a response of no word counts as one, so that its logarithm exists."""
    return math.log(max(1, len(pair.a.text.split()))) - math.log(max(1, len(pair.b.text.split())))
