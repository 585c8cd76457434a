"""Each pair's own gradient of its margin h, at some coordinates of the trained weights.

Where the gradients are written out (fused.py), a tap reads them off one backward pass over many pairs; elsewhere every
pair has a backward pass of its own.

Shapes: B pairs, C coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from train.coordinates import Coordinates
from train.fused import can_fuse
from train.losses import margins
from train.policy import trained_parameters
from train.rows import Rows
from train.step import Trainee, forward, turns_of
from train.tap import Tap, tapped
from train.tokens import TokenPair


class PairGradients(NamedTuple):
    """h [B] in the loss's own units and dh [B, C], in the order in which the pairs were asked for."""

    h_B: Tensor
    gradients_B_C: Tensor


def can_tap(trainee: Trainee) -> bool:
    """Whether one backward pass over a row gives every pair's gradient."""
    return trainee.layout == "shared" and can_fuse(trainee.policy)


def pair_gradients(
    trainee: Trainee, pairs: Sequence[TokenPair], coordinates: Coordinates, averaged: bool
) -> PairGradients:
    """With the policy as it is; the weights' grads are left alone.

    `averaged`: h per token (of the losses that have it so), else log pi(a) - log pi(b) less the reference's, in nats a
    sequence; of a single answer, its own.
    """
    places = {tokens.pair.key: place for place, tokens in enumerate(pairs)}
    h_B = torch.zeros(len(pairs), dtype=torch.float64)
    gradients_B_C = torch.zeros(len(pairs), coordinates.total)
    for rows in _rows(trainee, pairs):
        found = _of_row(trainee, rows, coordinates, averaged)
        there = [places[tokens.pair.key] for tokens in rows.pairs]
        h_B[there], gradients_B_C[there] = found.h_B, found.gradients_B_C
    return PairGradients(h_B, gradients_B_C)


def _rows(trainee: Trainee, pairs: Sequence[TokenPair]) -> list[Rows]:
    if can_tap(trainee):
        return turns_of(trainee, pairs).rows
    return [row for tokens in pairs for row in turns_of(trainee, [tokens]).rows]


def _of_row(trainee: Trainee, rows: Rows, coordinates: Coordinates, averaged: bool) -> PairGradients:
    weights = trained_parameters(trainee.policy)
    scores = forward(trainee, rows).scores
    # A single answer has no second one, and its reference for it is not a number.
    alone_B = rows.lengths_B_2[:, 1] == 0
    kept_B_2 = torch.where(
        alone_B[:, None] & torch.tensor([False, True], device=alone_B.device), 0.0, scores.scores_B_2
    )
    h_B = margins(scores._replace(scores_B_2=kept_B_2), averaged)
    if can_tap(trainee):
        with tapped(Tap(coordinates.where(weights), coordinates.total, rows)) as tap:
            torch.autograd.grad(h_B.sum(), list(weights.values()))
        return PairGradients(h_B.detach().double().cpu(), tap.gradients())
    grads = torch.autograd.grad(h_B.sum(), list(weights.values()))
    return PairGradients(h_B.detach().double().cpu(), coordinates.of(dict(zip(weights, grads, strict=True)))[None])
