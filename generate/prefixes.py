"""Which prompts should share one computation of their common beginning. Pure functions over token ids."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

# What starting one more forward pass costs, in tokens that could be computed meanwhile: measured on two cores. It keeps
# prompts with little in common from being split up.
PASS_COST = 32


class Group(NamedTuple):
    """Neighbouring rows `start` to `stop` (exclusive) whose first `prefix` tokens are equal, and computed once."""

    start: int
    stop: int
    prefix: int


def shared_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """The number of equal tokens at the start."""
    equal = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return sum(1 for _ in equal)


def group_by_prefix(rows: Sequence[Sequence[int]], pass_cost: int = PASS_COST) -> list[Group]:
    """Cut sorted rows into groups so that the fewest tokens are computed: each prefix once, each row's rest on its own.

    Exact, by dynamic programming over the cuts, O(rows squared). At least one token of every row is left out of its
    prefix, since the last position's prediction is what a prefill is for. Rows should be sorted, so that those with a
    common beginning are neighbours; any order is correct.
    """
    common = [shared_prefix(a, b) for a, b in itertools.pairwise(rows)]
    best: list[tuple[int, Group | None]] = [(0, None)]
    for stop in range(1, len(rows) + 1):
        prefix, tokens = len(rows[stop - 1]) - 1, 0
        candidates = []
        for start in range(stop - 1, -1, -1):
            if start < stop - 1:
                prefix = min(prefix, common[start], len(rows[start]) - 1)
            tokens += len(rows[start])
            size = stop - start
            # A prefix costs one more pass; a row alone, or rows with nothing in common, need none.
            cost = min(tokens, tokens - (size - 1) * prefix + pass_cost)
            shared = prefix if cost < tokens else 0
            candidates.append((best[start][0] + cost, Group(start, stop, shared)))
        best.append(min(candidates, key=lambda candidate: candidate[0]))
    return _walk_back(best)


def _walk_back(best: Sequence[tuple[int, Group | None]]) -> list[Group]:
    groups: list[Group] = []
    group = best[-1][1]
    while group is not None:
        groups.append(group)
        group = best[group.start][1]
    return groups[::-1]
