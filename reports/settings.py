"""The run file's `behaviour` part: what is sampled from both policies on held-out prompts, and how it is compared."""

from __future__ import annotations

from pydantic import Field

from constitution.record import Record
from generate.engine import Sampling


class BehaviourSettings(Record):
    """Answers of the reference and of the trained policy to the held-out prompts."""

    judge: str | None = None
    """The entry of `judges` that compares the two policies' answers under every principle; the run's own when omitted.
    Recorded opinions say nothing of new answers: with them, name a judge that can be asked."""
    samples: int = Field(default=3, gt=0)
    """Answers to each prompt from each policy; the i-th of one is compared with the i-th of the other."""
    sampling: Sampling | None = None
    """How they are drawn; as in `generate` when omitted."""
    resamples: int = Field(default=10_000, ge=100)
    """Bootstrap resamples of the prompts."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of every interval."""
