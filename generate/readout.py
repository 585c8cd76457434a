"""Arithmetic of a read-out: log-probabilities of spellings to those of choices. Pure, standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence


def reads_as(token: str) -> str:
    """What a token says, without the spaces and brackets around it: `A`, ` A`, `(A`, `A)` and `(A)` all say A.

    A multiple-choice question with the options (A) and (B) is answered in any of these ways. A tokeniser without such
    tokens simply has none of these spellings.
    """
    return token.strip(" ").removeprefix("(").removesuffix(")")


def sum_spellings(logps: Sequence[float]) -> float:
    """log of the summed probabilities; minus infinity if all are impossible."""
    highest = max(logps)
    if highest == -math.inf:
        return highest
    return highest + math.log(math.fsum(math.exp(logp - highest) for logp in logps))


def missing_mass(logps: Sequence[float]) -> float:
    """The probability on none of the choices, from their log-probabilities; rounding kept within 0 and 1."""
    return min(1.0, max(0.0, 1.0 - math.fsum(math.exp(logp) for logp in logps)))
