"""What the trace says, as data."""

from __future__ import annotations

from constitution.record import Record
from reports.statistics import Interval
from reports.trace.fidelity import Fidelity
from reports.trace.whatif import Predicted


class WhatIf(Record):
    """A prediction for an edited constitution."""

    weights: dict[str, float]
    """Its principles and weights, as far as there are votes."""
    unjudged: tuple[str, ...]
    """New or reworded principles: they would have to be judged first, and are left out here."""
    corrected: tuple[str, ...]
    """The left-out principles whose retraining corrects the prediction."""
    flipped: int
    """Pairs trained on whose label changes sides."""
    vanished: int
    """Those that lose it."""
    changed: int
    """Those whose p changes at all."""
    pairs: int
    """Pairs trained on."""
    behaviours: tuple[Predicted, ...]
    """One a principle."""
    fidelity: Fidelity | None
    """How such predictions did on the label sets of this run that were retrained; None if there are too few."""
    seconds: float
    """What the prediction took, the recording being open."""


class Part(Record):
    """What one principle did to a behaviour."""

    principle: str
    """Its id."""
    contribution: Interval
    """Its part of the change, in the behaviour's units; the interval is over held-out prompts."""


class PairPart(Record):
    """What one pair did to a behaviour."""

    pair: str
    """Its key."""
    contribution: float
    """Its part of the change."""
    by_principle: dict[str, float]
    """The same by the principles that voted on it; they add up to it."""


class Moved(Record):
    """Who moved a behaviour, or the log-probability of one answer."""

    what: str
    """The behaviour, or the answer."""
    measured: Interval
    """The change from the reference to the trained policy."""
    explained: float
    """The sum of all parts."""
    principles: tuple[Part, ...]
    """Largest first."""
    raised: tuple[PairPart, ...]
    """The pairs that raised it most."""
    lowered: tuple[PairPart, ...]
    """Those that lowered it most."""
    pairs: int
    """Pairs trained on."""

    @property
    def completeness_error(self) -> float:
        """|explained - measured| over |measured|."""
        return abs(self.explained - self.measured.estimate) / max(abs(self.measured.estimate), 1e-12)
