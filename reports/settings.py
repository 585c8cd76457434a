"""The run file's `behaviour` and `trace` parts: what is sampled from both policies and how it is compared; what the
report traces back."""

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


class ThreadSettings(Record):
    """The report's trace: who moved each behaviour, what leaving a principle out is predicted to do, and who taught
    single answers. Needs the recording that training leaves (`train.trace`) and held-out pairs."""

    answers: int = Field(default=8, ge=0)
    """Held-out answers of the trained model that are traced one by one."""
    dial: str | None = Field(default=None, pattern=r"^[^:]+:[^:]+$")
    """Two axes of the constitution, `A:B`: how the margins along them trade as weight moves from A to B."""
    candidates: int = Field(default=64, ge=1)
    """Held-out prompts whose first answers they are chosen from; answers that are longer than training allows are left
    out."""
