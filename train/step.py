"""One optimizer step: forward and backward over the step's pairs, the check before the first update, the update.

Shapes: B pairs of one forward pass, 2 the answers a and b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from constitution.errors import ModelError
from train.logps import answer_logps
from train.losses import PairLoss, margins
from train.metrics import Moved, labels
from train.policy import Policy
from train.records import FirstStep
from train.reference import References
from train.rows import Layout, Rows, pack
from train.tokens import TokenPair

# Rounding, in nats a token. Between the two layouts on SmolLM2 it was 2.5e-6 and 2.7e-2 on a CPU, within one layout 0.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-1}


class Trainee(NamedTuple):
    """What every forward pass needs: the policy, its reference, the loss, how rows are made."""

    policy: Policy
    references: References
    loss: PairLoss
    layout: Layout
    row_tokens: int


class PairMargins(NamedTuple):
    """h [B], and log pi - log pi_ref [B, 2] in nats a sequence, of one forward pass."""

    h_B: Tensor
    changes_B_2: Tensor


def pair_margins(trainee: Trainee, rows: Rows) -> PairMargins:
    """Policy against reference; part of the graph if gradients are on."""
    references = [trainee.references[tokens.pair.key] for tokens in rows.pairs]
    reference_B_2 = torch.tensor([[found.a, found.b] for found in references], device=trainee.policy.device)
    changes_B_2 = answer_logps(trainee.policy, rows) - reference_B_2
    return PairMargins(margins(changes_B_2, rows.lengths_B_2, trainee.loss.averaged), changes_B_2)


def backward(trainee: Trainee, pairs: Sequence[TokenPair]) -> Moved:
    """Add the gradient of the mean loss over `pairs` to the parameters' grads, however many rows it takes."""
    parts = []
    for rows in _rows(trainee, pairs):
        found = pair_margins(trainee, rows)
        p_B = labels([tokens.pair for tokens in rows.pairs]).to(found.h_B)
        (trainee.loss.value(found.h_B, p_B).sum() / len(pairs)).backward()
        parts.append(_moved(rows, found))
    return _joined(parts)


def evaluate(trainee: Trainee, pairs: Sequence[TokenPair]) -> Moved:
    """The same without a gradient."""
    with torch.no_grad():
        return _joined([_moved(rows, pair_margins(trainee, rows)) for rows in _rows(trainee, pairs)])


def _rows(trainee: Trainee, pairs: Sequence[TokenPair]) -> list[Rows]:
    packed = pack(pairs, trainee.row_tokens, trainee.layout, trainee.policy.pad)
    return [rows.to(trainee.policy.device) for rows in packed]


def _moved(rows: Rows, found: PairMargins) -> Moved:
    h_B, changes_B_2 = (part.detach().double().cpu() for part in found)
    return Moved([tokens.pair for tokens in rows.pairs], h_B, changes_B_2)


def _joined(parts: Sequence[Moved]) -> Moved:
    return Moved(
        [pair for part in parts for pair in part.pairs],
        torch.cat([part.h_B for part in parts]),
        torch.cat([part.changes_B_2 for part in parts]),
    )


def check_first_step(trainee: Trainee, pairs: Sequence[TokenPair], moved: Moved) -> FirstStep:
    """Before any update the adapter adds nothing, so h = 0. `moved` is the first step's forward pass over `pairs`.

    Raises ModelError if an answer's log-probability differs from the reference's by more than rounding.
    """
    lengths = {tokens.pair.key: (len(tokens.a), len(tokens.b)) for tokens in pairs}
    lengths_B_2 = torch.tensor([lengths[pair.key] for pair in moved.pairs], dtype=torch.float64)
    p_B = labels(moved.pairs)
    found = FirstStep(
        pairs=len(moved.pairs),
        max_change=float((moved.changes_B_2.abs() / lengths_B_2).max()),
        tolerance=TOLERANCE[trainee.policy.dtype],
        loss=float(trainee.loss.value(moved.h_B, p_B).mean()),
        expected_loss=float(trainee.loss.value(torch.zeros_like(p_B), p_B).mean()),
    )
    if not found.max_change <= found.tolerance:
        raise ModelError(
            f"before the first step the policy must equal its reference, but an answer's log-probability differs by "
            f"{found.max_change:.2g} nats a token (at most {found.tolerance:.0e} is rounding): the stored reference "
            "was made with other weights or arithmetic; delete the run's references file to have it computed again"
        )
    return found


def update(
    optimizer: torch.optim.AdamW, weights: Sequence[torch.nn.Parameter], rate: float, max_norm: float, step: int
) -> float:
    """Clip, take the AdamW step, clear the gradients. Returns the gradient's norm before clipping.

    Raises ModelError if the gradient is not finite.
    """
    norm = float(torch.nn.utils.clip_grad_norm_(weights, max_norm))
    if not math.isfinite(norm):
        raise ModelError(f"step {step}: the gradient is not finite; lower train.learning_rate or use dtype float32")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
