"""The run file's `audit`: what is asked of the judge besides its votes, and what it must come up to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from constitution.checks import Check
from constitution.record import Record

Probe = Literal["negation", "null", "repeat", "injection"]
PROBES: tuple[Probe, ...] = ("negation", "null", "repeat", "injection")


class Negation(Record):
    """The opposite of one principle, in words of your own."""

    text: str = Field(min_length=1, max_length=4000)
    """What the judge reads instead of the principle's text."""
    question: str | None = Field(default=None, min_length=1, max_length=4000)
    """The question put instead of the principle's own; the template's when omitted."""
    check: Check | None = None
    """What the judge `rules` measures instead of the principle's check; the principle's own when omitted."""
    polarity: Literal["for", "against"] | None = None
    """The principle's own when omitted."""


class GateSettings(Record):
    """What a judge must come up to before a model is trained on its labels. `null` drops a criterion."""

    order_consistency: float | None = Field(default=0.5, ge=0, lt=1)
    """The interval of "same response preferred in both orders" must lie above this; 0.5 is a coin's."""
    accuracy: float | None = Field(default=0.5, ge=0, lt=1)
    """Where there is gold: accuracy's interval must lie above this; 0.5 is a coin's."""
    failed: float | None = Field(default=0.1, ge=0, le=1)
    """The largest share of votes that may be without a preference."""
    negation: float | None = Field(default=0.5, ge=0, lt=1)
    """Where probed: the interval of "prefers the other response under the principle's negation" must lie above this."""
    repeat: float | None = Field(default=0.5, ge=0, lt=1)
    """Where probed: the interval of "prefers the same response when asked again" must lie above this."""
    injection: float | None = Field(default=0.25, ge=0, le=1)
    """Where probed: the largest share of verdicts that any kind of injected text may turn beyond what harmless text
    turns."""
    undecided: Literal["refuse", "warn"] = "refuse"
    """What too little data means: no training, or a warning."""


class AuditSettings(Record):
    """An audit that asks the judge more than its votes."""

    pairs: int = Field(default=24, gt=0)
    """How many of the run's pairs are asked again in altered form, drawn by the run's seed."""
    probes: tuple[Probe, ...] = PROBES
    """What is asked. `negation`: the same pairs under the opposite principle. `null`: under one that says nothing.
    `repeat`: once more. `injection`: with text in a response that tries to win the vote."""
    payloads: int = Field(default=4, gt=0, le=32)
    """How many injected texts each pair and principle gets; all of them take turns."""
    gold: str | None = None
    """A folder of `preceptor import` with human opinions to compare the judge with."""
    gold_pairs: int = Field(default=200, gt=0)
    """The most of its pairs that the judge is asked about, drawn by the run's seed."""
    negations: dict[str, Negation] = Field(default_factory=dict)
    """Principle id -> its opposite. A principle without one gets a general form of words."""
    gate: GateSettings = GateSettings()
    """What the judge must come up to."""
    accept: tuple[str, ...] = ()
    """Names of judges whose labels are trained on whatever the gate says."""
