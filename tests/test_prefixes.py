"""Grouping prompts by their common beginnings: the cheapest cut, proved against every possible cut."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from generate.prefixes import PASS_COST, group_by_prefix, shared_prefix

ROWS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=7)


def cost_of(rows: list[list[int]], pass_cost: int) -> int:
    """Tokens computed for one group, and the price of its extra pass; the rule, written out."""
    alone = sum(map(len, rows))
    prefix = min(len(row) for row in rows) - 1
    while any(row[:prefix] != rows[0][:prefix] for row in rows):
        prefix -= 1
    return min(alone, pass_cost + prefix + sum(len(row) - prefix for row in rows))


def cheapest(rows: list[list[int]], pass_cost: int) -> int:
    """The best over all ways to cut the rows, by trying each."""
    inner = range(1, len(rows))
    cuts = [[0, *chosen, len(rows)] for size in range(len(rows)) for chosen in combinations(inner, size)]
    return min(sum(cost_of(rows[a:b], pass_cost) for a, b in pairwise(cut)) for cut in cuts)


@given(ROWS, st.integers(0, 5))
def test_groups_are_the_cheapest_cut(rows: list[list[int]], pass_cost: int) -> None:
    rows = sorted(rows)
    groups = group_by_prefix(rows, pass_cost)
    assert [groups[0].start, *(group.stop for group in groups)] == [*(group.start for group in groups), len(rows)]
    total = 0
    for group in groups:
        members = rows[group.start : group.stop]
        assert all(row[: group.prefix] == members[0][: group.prefix] and len(row) > group.prefix for row in members)
        spent = sum(len(row) - group.prefix for row in members) + (group.prefix + pass_cost if group.prefix else 0)
        total += spent
    assert total == cheapest(rows, pass_cost)


def test_principles_of_one_pair_are_grouped_and_pairs_are_not() -> None:
    system = [1] * 20
    pairs = [system + [pair] * 300 for pair in (2, 3)]
    rows = [pair + [10 + principle] * 40 for pair in pairs for principle in range(8)]
    groups = group_by_prefix(rows)
    assert [(group.start, group.stop, group.prefix) for group in groups] == [(0, 8, 320), (8, 16, 320)]


def test_little_in_common_is_not_worth_a_pass() -> None:
    rows = [[1, 2, 3, 10 + i] for i in range(4)]
    assert sum(len(row) for row in rows) < PASS_COST
    assert {group.prefix for group in group_by_prefix(rows)} == {0}


def test_shared_prefix_counts_equal_tokens() -> None:
    assert shared_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert shared_prefix([], [1]) == 0
    assert shared_prefix([7, 7], [7, 7]) == 2
