"""What the trace says, as data."""

from __future__ import annotations

from pydantic import Field

from constitution.record import Record
from generate.records import Message
from reports.statistics import Interval
from reports.trace.fidelity import Fidelity


class Predicted(Record):
    """One behaviour under the edited constitution: the mean of (2 p_k - 1) h over the held-out pairs that principle k
    has an opinion on, in the units of h (docs/training.md)."""

    principle: str
    """Its id."""
    now: Interval
    """Of the run as it is."""
    then: float
    """Predicted."""
    change: Interval
    """Then less now, paired by prompt. The interval is of the prompts, not of the prediction's own error: see the
    fidelity."""
    detectable: float | None
    """The smallest change that these prompts would show with 80 % power; None where they do not differ."""
    p: float | None = None
    """Two-sided p-value (Student's t over prompts) of no change, not adjusted; None with fewer than two prompts, or
    where an older version left it out."""
    pairs: int
    """Held-out pairs."""


class PredictedAnswers(Record):
    """One behaviour of sampled answers under the edited constitution."""

    behaviour: str
    """`check:ID`, the score by a principle's check, or `feature:NAME`."""
    now: Interval
    """Of the run's own answers."""
    change: Interval
    """Predicted. The interval is of the prompts and their few answers, not of another training."""
    detectable: float | None
    """The smallest change that these prompts would show with 80 % power; None where they do not differ."""
    correction: float
    """What of it comes from real retrainings."""


class WhatIf(Record):
    """A prediction for an edited constitution."""

    weights: dict[str, float]
    """The principles that have a say in it, with their weights."""
    unjudged: tuple[str, ...]
    """Principles with a weight that would have to be judged first: where they are not, they have no say here."""
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
    answers: tuple[PredictedAnswers, ...] = ()
    """Behaviours of sampled answers, if they were asked for."""
    seconds: float
    """What the prediction took, the recording being open."""


class Part(Record):
    """What one principle did to a behaviour."""

    principle: str
    """Its id."""
    contribution: Interval
    """Its part of the change, in the behaviour's units; the interval is over held-out prompts."""
    p: float | None = None
    """Two-sided p-value (Student's t over prompts) of no part, not adjusted; None with fewer than two prompts, or where
    an older version left it out."""


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
    p: float | None = None
    """Two-sided p-value of no change, as of its parts."""
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


class Without(Record):
    """What the run is predicted to become without one principle."""

    principle: str
    """The one left out."""
    corrected: bool
    """Whether its real retraining (`preceptor ablate`) corrects the prediction."""
    changed: int
    """Labels of pairs trained on whose p changes."""
    flipped: int
    """Those that change sides."""
    vanished: int
    """Those that go."""
    behaviours: tuple[Predicted, ...]
    """One a principle."""


class TracedPair(Record):
    """A pair trained on, as far as a reader needs it."""

    conversation: tuple[Message, ...]
    """What both answers follow."""
    preferred: str
    """The answer on the label's side; the first where it is even."""
    other: str
    """The other one."""
    p: float
    """The label: how likely the preferred one is the better one."""


class AnswerMoved(Record):
    """One answer of the trained model, and who taught it."""

    conversation: tuple[Message, ...]
    """What it answers."""
    text: str
    """The answer."""
    tokens: int
    """Its length."""
    moved: Moved
    """Its log-probability, in nats: principles and pairs."""


class FrontierPoint(Record):
    """The policy's mean margins along two axes at one position of the dial, over held-out prompts."""

    t: float
    """0: all weight to the first axis; 1: all to the second."""
    predicted_first: Interval
    """Along the first axis."""
    predicted_second: Interval
    """Along the second."""
    retrained_first: Interval | None
    """The same after really training at t; None where that was not done."""
    retrained_second: Interval | None
    """Along the second."""


class Frontier(Record):
    """How two axes trade."""

    first: str
    """The axis at t = 0."""
    second: str
    """The axis at t = 1."""
    points: tuple[FrontierPoint, ...]
    """In the order of t."""
    turn_first: Interval | None = None
    """The predicted margin along the first axis at its own end (t = 0) less that at the other, paired by prompt; None
    in a trace of an older version."""
    turn_second: Interval | None = None
    """The same along the second axis, at t = 1 less at t = 0."""


class TraceReport(Record):
    """The trace of a run, for its report."""

    reason: str | None = None
    """Why there is none."""
    no_parts: str | None = None
    """Why no update was divided among the principles, although the rest could be told."""
    pairs: int = 0
    """Pairs trained on."""
    heldout: int = 0
    """Held-out pairs."""
    behaviours: dict[str, Moved] = Field(default={})
    """Principle -> who moved its margin on the held-out pairs."""
    without: tuple[Without, ...] = ()
    """One a principle, where two or more are there."""
    fidelity: Fidelity | None = None
    """How predictions do on this run's retrained label sets; None where there are too few."""
    frontier: Frontier | None = None
    """How the two axes of the run file's `trace.dial` trade."""
    no_frontier: str | None = None
    """Why there is none although the run file asks for it."""
    candidates: int = 0
    """Held-out answers of the trained model that were looked at: the first to each prompt."""
    answers: tuple[AnswerMoved, ...] = ()
    """Those whose log-probability a token rose most by training, most first."""
    shown: dict[str, TracedPair] = Field(default={})
    """The pairs that are named above, by key."""
