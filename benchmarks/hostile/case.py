"""One hostile input, and what became of it."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from constitution.errors import PreceptorError

SECONDS = 5.0
"""An input that keeps us busy for longer has won."""
MESSAGE_CHARS = 20_000


class Case(NamedTuple):
    """`attack` is given an empty folder. It returns None where the input was harmless, else how it got through; an
    error of ours is a refusal."""

    kind: str
    name: str
    attack: Callable[[Path], str | None]


class Outcome(NamedTuple):
    """`accepted` and `uncaught` are defects; `said` is the message, or what went wrong."""

    verdict: Literal["refused", "harmless", "accepted", "uncaught"]
    said: str
    seconds: float


def try_case(case: Case, folder: Path) -> Outcome:
    """Let the attack run; judge how it ended."""
    started = time.perf_counter()
    try:
        through = case.attack(folder)
        verdict, said = ("accepted", through) if through is not None else ("harmless", "")
    except PreceptorError as error:
        verdict, said = _refusal(str(error))
    except Exception as error:
        verdict, said = "uncaught", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    if seconds > SECONDS and verdict in ("refused", "harmless"):
        return Outcome("accepted", f"took {seconds:.1f} s", seconds)
    return Outcome(verdict, said, seconds)


def _refusal(said: str) -> tuple[Literal["refused", "accepted"], str]:
    """A message must say something, be of a readable length and hold no character that a terminal acts on."""
    if not said.strip():
        return "accepted", "refused without a word"
    if len(said) > MESSAGE_CHARS:
        return "accepted", f"a message of {len(said)} characters"
    if odd := next((c for c in said if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None):
        return "accepted", f"the message holds U+{ord(odd):04X}"
    return "refused", said


def must_refuse(kind: str, name: str, load: Callable[[Path], object]) -> Case:
    """A case in which anything but an error of ours means that it got through."""

    def attack(folder: Path) -> str:
        return f"accepted as {str(load(folder))[:200]}"

    return Case(kind, name, attack)


def shown(text: str) -> str:
    """A name for an input: the text itself, of a long one both ends and its length."""
    return repr(text) if len(text) <= 60 else f"{text[:30]!r} ... {text[-25:]!r}, {len(text)} characters"
