"""Figures over pairs from what a forward pass gave anyway: h and the changes of the log-probabilities.

Shapes: B pairs, K principles, 2 the answers a and b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from train.losses import PairLoss, share_coefficients
from train.records import Figures, PrincipleFigures, TrainItem

ADDITIVE = 1e-6


class Moved(NamedTuple):
    """Of each pair its loss, h, and log pi - log pi_ref of its answers in nats a sequence; on the CPU, float64.

    NaN is what is not there: h of a single answer, its second change, changes without a reference.
    """

    pairs: list[TrainItem]
    losses_B: Tensor
    h_B: Tensor
    changes_B_2: Tensor
    lengths_B_2: Tensor


class Votes(NamedTuple):
    """The principles' labels as tables; where a principle did not vote, weight 0 and voted False."""

    principles: list[str]
    p_B_K: Tensor
    weights_B_K: Tensor
    voted_B_K: Tensor


def labels(pairs: Sequence[TrainItem]) -> Tensor:
    """p of each pair [B], float64."""
    return torch.tensor([pair.p for pair in pairs], dtype=torch.float64)


def votes(pairs: Sequence[TrainItem]) -> Votes:
    """The shares of all pairs, principles in alphabetical order."""
    principles = sorted({share.principle for pair in pairs for share in pair.shares})
    columns = {principle: column for column, principle in enumerate(principles)}
    p_B_K = torch.full((len(pairs), len(principles)), 0.5, dtype=torch.float64)
    weights_B_K = torch.zeros_like(p_B_K)
    voted_B_K = torch.zeros_like(p_B_K, dtype=torch.bool)
    for row, pair in enumerate(pairs):
        for share in pair.shares:
            column = columns[share.principle]
            p_B_K[row, column], weights_B_K[row, column], voted_B_K[row, column] = share.p, share.weight, True
    return Votes(principles, p_B_K, weights_B_K, voted_B_K)


def figures(moved: Moved, loss: PairLoss) -> Figures:
    """All figures over these pairs (at least one)."""
    p_B = labels(moved.pairs)
    sign_B = (2 * p_B - 1).sign()
    signed_B = (sign_B * moved.h_B)[sign_B != 0]
    first_B, second_B = moved.changes_B_2[sign_B != 0].unbind(1)
    up_B = sign_B[sign_B != 0] > 0
    return Figures(
        n=len(moved.pairs),
        loss=float(moved.losses_B.sum() / loss_count(loss, moved.lengths_B_2)),
        margin=_mean(signed_B),
        accuracy=_mean(_right(signed_B)),
        chosen_change=_mean(torch.where(up_B, first_B, second_B)),
        rejected_change=_mean(torch.where(up_B, second_B, first_B)),
        principles=principle_figures(moved, loss),
    )


def loss_count(loss: PairLoss, lengths_B_2: Tensor) -> int:
    """What the loss is averaged over: pairs, or for a loss that takes single answers, answers."""
    return int((lengths_B_2 > 0).sum()) if loss.singles else len(lengths_B_2)


def principle_figures(moved: Moved, loss: PairLoss) -> dict[str, PrincipleFigures]:
    """By principle id, for the principles that voted on any of these pairs."""
    table = votes(moved.pairs)
    pulls_K = pulls(moved, table, loss)
    found = {}
    for column, principle in enumerate(table.principles):
        voted_B = table.voted_B_K[:, column]
        h_B = moved.h_B[voted_B]
        lean_B = 2 * table.p_B_K[voted_B, column] - 1
        decided_B = lean_B != 0
        found[principle] = PrincipleFigures(
            n=int(voted_B.sum()),
            margin=float((lean_B * h_B).mean()),
            decided=int(decided_B.sum()),
            accuracy=_mean(_right((lean_B.sign() * h_B)[decided_B])),
            pull=None if pulls_K is None else float(pulls_K[column]),
        )
    return found


def pulls(moved: Moved, table: Votes, loss: PairLoss) -> Tensor | None:
    """Each principle's part [K] of the mean |dL/dh| over these pairs, which is what they add up to.

    See PrincipleFigures. None if some label is not the weighted mean of its shares.
    """
    p_B = labels(moved.pairs)
    if loss.slope is None or ((table.weights_B_K * table.p_B_K).sum(1) - p_B).abs().max() > ADDITIVE:
        return None
    parts_B_K = share_coefficients(loss.slope, moved.h_B, table.p_B_K, table.weights_B_K)
    return (loss.slope(moved.h_B, p_B).sign()[:, None] * parts_B_K).mean(0)


def _right(signed: Tensor) -> Tensor:
    """1 where the sign is right, 0 where it is wrong, 0.5 at exactly 0."""
    return (1 + signed.sign()) / 2


def _mean(values: Tensor) -> float | None:
    """Over what is there; None if nothing is."""
    there = values[~values.isnan()]
    return float(there.mean()) if len(there) else None
