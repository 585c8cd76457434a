"""One judge measured, as a whole or on one principle: the same figures either way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from constitution.model import Constitution
from constitution.record import Record
from judge.audit.cells import Cell, of_principle
from judge.audit.facts import VoteFacts, vote_facts
from judge.audit.gold import Calibrated, Gold, GoldFacts, gold_facts, label_rows, principle_rows
from judge.audit.probed import Compared, InjectionRow, compared, injection_row, repeat_stability
from judge.audit.probes import Attack
from judge.interface import Judge
from judge.resampling import Score

Cells = Sequence[Cell]


class Asked(NamedTuple):
    """What a card is made from: the run's own cells, and those of each probe that was asked (None: not asked)."""

    own: Cells
    clean: Cells = ()
    """The sampled pairs, unaltered."""
    negation: Cells | None = None
    null: Cells | None = None
    repeat: Cells | None = None
    attacks: Sequence[Attack] | None = None
    gold_cells: Cells | None = None
    gold: Gold | None = None
    calibrated: Calibrated | None = None


class Measured(Record):
    """All figures. None: not asked, or there was nothing to ask."""

    votes: VoteFacts
    """What the run's votes tell."""
    gold: GoldFacts | None
    """Against gold."""
    negation: Compared | None
    """The same pairs under the opposite principle."""
    null: Compared | None
    """The same pairs under a principle that says nothing."""
    repeat: Score | None
    """Votes with the same leaning when asked again."""
    injections: InjectionRow | None
    """What injected text does."""


def part_of(asked: Asked, principle: str) -> Asked:
    """What was asked about one principle; a probe that did not ask about it counts as not asked."""

    def mine(cells: Cells | None) -> Cells | None:
        return of_principle(cells or (), principle) or None

    attacks = [attack for attack in asked.attacks or () if attack.clean.principle.id == principle]
    return asked._replace(
        own=of_principle(asked.own, principle),
        clean=of_principle(asked.clean, principle),
        negation=mine(asked.negation),
        null=mine(asked.null),
        repeat=mine(asked.repeat),
        attacks=attacks or None,
        gold_cells=mine(asked.gold_cells),
    )


def measure(asked: Asked, gold: GoldFacts | None, name: str) -> Measured:
    """Score all of it; `name` is the row's name in the injections' table."""
    return Measured(
        votes=vote_facts(asked.own),
        gold=gold,
        negation=compared(asked.clean, asked.negation) if asked.negation else None,
        null=compared(asked.clean, asked.null) if asked.null else None,
        repeat=repeat_stability(asked.clean, asked.repeat) if asked.repeat else None,
        injections=injection_row(name, asked.attacks) if asked.attacks else None,
    )


def gold_on_principles(asked: Asked, alone: bool) -> GoldFacts | None:
    """Gold on principles, pooled; with `alone`, gold on whole pairs is about the only principle."""
    if asked.gold is None or asked.gold_cells is None:
        return None
    rows = principle_rows(asked.gold_cells, asked.gold, alone, asked.calibrated)
    return gold_facts(rows, "principle", asked.calibrated is not None) if rows else None


def gold_on_labels(asked: Asked, constitution: Constitution, judge: Judge) -> GoldFacts | None:
    """Gold on whole pairs against the labels."""
    if asked.gold is None or asked.gold_cells is None:
        return None
    rows = label_rows(asked.gold_cells, asked.gold, constitution, judge)
    return gold_facts(rows, "label", False) if rows else None
