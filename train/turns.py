"""Which process runs which pairs: shares of about equally many tokens, and equally many forward passes.

Under FSDP2 every pass is a meeting of all processes, so one that runs out of pairs goes on with the shortest pair at
weight 0. With one process there is one share, and every pass counts.

Shapes: B pairs of the whole batch, n of this process's share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from train import team
from train.policy import Policy
from train.rows import Layout, Rows, pack
from train.tokens import TokenPair


class Turns(NamedTuple):
    """This process's forward passes over a batch: those that count come first. `own` are the pairs in them."""

    rows: list[Rows]
    counting: int
    own: list[TokenPair]


def shares(pairs: Sequence[TokenPair], count: int) -> list[list[TokenPair]]:
    """The longest pair first, each to the share with the fewest tokens so far. A function of the pairs alone."""
    dealt: list[list[TokenPair]] = [[] for _ in range(count)]
    tokens = [0] * count
    for pair in sorted(pairs, key=_longest_first):
        lightest = tokens.index(min(tokens))
        dealt[lightest].append(pair)
        tokens[lightest] += pair.size
    return dealt


def _longest_first(pair: TokenPair) -> tuple[int, str]:
    return -pair.size, pair.pair.key


def turns(policy: Policy, pairs: Sequence[TokenPair], layout: Layout, row_tokens: int) -> Turns:
    """This process's part of a batch, on its device."""
    own = shares(pairs, team.size())[team.rank()]
    rows = list(pack(own, row_tokens, layout, policy.pad))
    counting, passes = len(rows), team.most(len(rows))
    if counting < passes:
        rows += (passes - counting) * list(pack([max(pairs, key=_longest_first)], row_tokens, layout, policy.pad))
    in_order = [tokens for one in rows[:counting] for tokens in one.pairs]
    return Turns([one.to(policy.device) for one in rows], counting, in_order)


def gathered(values: Tensor, own: Sequence[TokenPair], pairs: Sequence[TokenPair]) -> Tensor:
    """Of the whole batch [B, ...], in the order of `pairs`, from every process's values [n or more, ...] of its own."""
    places = {tokens.pair.key: place for place, tokens in enumerate(pairs)}
    return team.table(values[: len(own)], [places[tokens.pair.key] for tokens in own], len(pairs))
