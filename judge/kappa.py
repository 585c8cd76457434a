"""Cohen's kappa of two judges from their 2 x 2 table (Cohen 1960); its interval is in judge/scores.py."""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    """The 2 x 2 counts of two judges' verdicts: `ab` is first judge for `a`, second judge for `b`."""

    aa: int
    ab: int
    ba: int
    bb: int


def cohens_kappa(table: Table) -> float | None:
    """(p_o - p_e) / (1 - p_e), p_e from both judges' own rates; None if p_e is 1 or there is nothing."""
    n = sum(table)
    if n == 0:
        return None
    first_a, second_a = table.aa + table.ab, table.aa + table.ba
    chance = first_a * second_a + (n - first_a) * (n - second_a)
    if chance == n * n:
        return None
    return (n * (table.aa + table.bb) - chance) / (n * n - chance)
