"""The run file's `executor`: where answers are sampled and votes asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from constitution.record import Record
from generate.address import Address


class LocalExecutor(Record):
    """In this process, one engine at a time."""

    type: Literal["local"]


class RayExecutor(Record):
    """On Ray actors, each of which holds one engine; needs the extra `ray`."""

    type: Literal["ray"]
    actors: int = Field(default=2, gt=0)
    """How many engines work at the same time."""
    cpus_per_actor: float = Field(default=1, gt=0)
    """Cores that Ray sets aside for each; torch computes with as many threads."""
    gpus_per_actor: float | None = Field(default=None, ge=0)
    """GPUs for each. When omitted: none where Ray has none, else as many as a copy of the engine's model spans."""
    restarts: int = Field(default=3, ge=0)
    """How often an actor that died is started again, and the batch that it had in hand is done again."""
    address: Address | None = Field(default=None, min_length=1)
    """A running Ray cluster, such as `auto` or `ray://head:10001`; when omitted, Ray is started on this machine."""


ExecutorSettings = Annotated[LocalExecutor | RayExecutor, Field(discriminator="type")]
