"""How long work says how far it is. Stages call a `Progress`; only pipeline/ knows what a terminal is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Tick(NamedTuple):
    """`done` of `total` units of `what` are finished; `note` is a short live figure such as a loss, `tokens` what the
    work has read and generated in this call."""

    what: str
    done: int
    total: int
    note: str = ""
    tokens: int = 0


Progress: TypeAlias = Callable[[Tick], None]


def silent(tick: Tick) -> None:
    """The Progress that says nothing: the default of every library call."""


def duration(seconds: float) -> str:
    """`75` -> `1:15`; `3700` -> `1:01:40`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
