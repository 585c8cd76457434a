"""One optimizer step: forward and backward over the step's pairs, the check before the first update, the update.

Shapes: B pairs of one forward pass, 2 the answers a and b.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from constitution.errors import ModelError
from train import team
from train.logps import answer_logps
from train.losses import PairLoss, Scores, margins
from train.metrics import Moved, labels, loss_count
from train.parallel import only_looking, until_last, whole
from train.policy import Policy
from train.records import FirstStep
from train.reference import ReferenceLogps, References
from train.rows import Layout, Rows
from train.tokens import TokenPair
from train.turns import Turns, gathered, turns

# Rounding, in nats a token. Between the two layouts on SmolLM2 it was 2.5e-6 and 2.7e-2 on a CPU, within one layout 0.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-1}


UNKNOWN = ReferenceLogps(a=math.nan, b=math.nan)
"""The reference of a pair that was never computed, since its loss does not read it."""


class Trainee(NamedTuple):
    """What every forward pass needs: the policy, its reference, the loss, how rows are made."""

    policy: Policy
    references: References
    loss: PairLoss
    layout: Layout
    row_tokens: int
    silent: frozenset[str] = frozenset()
    """Keys of pairs that keep their place in a step, and count in its mean, but pull nowhere: another label set has no
    label for them (retrain.py)."""


class Passed(NamedTuple):
    """One forward pass: what the loss reads, and log pi - log pi_ref [B, 2] in nats a sequence (NaN: not known)."""

    scores: Scores
    changes_B_2: Tensor


def forward(trainee: Trainee, rows: Rows, baseline: float = 0.0) -> Passed:
    """The policy over `rows`; part of the graph if gradients are on."""
    references = [trainee.references.get(tokens.pair.key, UNKNOWN) for tokens in rows.pairs]
    reference_B_2 = torch.tensor([[found.a, found.b] for found in references], device=trainee.policy.device)
    logps_B_2 = answer_logps(trainee.policy, rows)
    changes_B_2 = logps_B_2 - reference_B_2
    return Passed(Scores(changes_B_2 if trainee.loss.reference else logps_B_2, rows.lengths_B_2, baseline), changes_B_2)


def backward(
    trainee: Trainee,
    pairs: Sequence[TokenPair],
    baseline: float = 0.0,
    around: Callable[[Rows], AbstractContextManager[object]] = nullcontext,
) -> Moved:
    """Add the gradient of the mean loss over `pairs` to the parameters' grads, however many rows it takes.

    `baseline` is KTO's z over these pairs. `around` is opened while a row goes backward.
    """
    count = loss_count(trainee.loss, lengths_of(pairs))
    share = turns_of(trainee, pairs)
    parts = []
    for index, rows in enumerate(share.rows):
        # DDP and FSDP2 take the mean of the processes' gradients, which is to be their sum.
        weight = team.size() if index < share.counting else 0
        with until_last(trainee.policy, last=index == len(share.rows) - 1):
            passed = forward(trainee, rows, baseline)
            mean = _losses(trainee, rows, passed.scores).sum() / count * weight
            with around(rows):
                mean.backward()
        parts.append(_moved(trainee, rows, passed))
    return _joined(parts, share.own, pairs)


def evaluate(trainee: Trainee, pairs: Sequence[TokenPair], baseline: float = 0.0) -> Moved:
    """The same without a gradient."""
    share = turns_of(trainee, pairs)
    with only_looking(trainee.policy):
        parts = [_moved(trainee, rows, forward(trainee, rows, baseline)) for rows in share.rows]
    return _joined(parts, share.own, pairs)


def _losses(trainee: Trainee, rows: Rows, scores: Scores) -> Tensor:
    losses_B = trainee.loss.value(scores, labels([tokens.pair for tokens in rows.pairs]).to(scores.scores_B_2))
    if not trainee.silent:
        return losses_B
    silent_B = torch.tensor([tokens.pair.key in trainee.silent for tokens in rows.pairs], device=losses_B.device)
    return losses_B.masked_fill(silent_B, 0.0)


def lengths_of(pairs: Sequence[TokenPair]) -> Tensor:
    """Tokens of each answer [B, 2]; 0 for the b of a single answer."""
    return torch.tensor([[len(tokens.a), len(tokens.b)] for tokens in pairs])


def turns_of(trainee: Trainee, pairs: Sequence[TokenPair]) -> Turns:
    """This process's forward passes over `pairs`."""
    return turns(trainee.policy, pairs, trainee.layout, trainee.row_tokens)


def _moved(trainee: Trainee, rows: Rows, passed: Passed) -> Moved:
    scores = passed.scores._replace(scores_B_2=passed.scores.scores_B_2.detach().double())
    h_B, changes_B_2 = margins(scores, trainee.loss.averaged), passed.changes_B_2.detach().double().cpu()
    alone_B = rows.lengths_B_2[:, 1].cpu() == 0
    changes_B_2[alone_B, 1] = torch.nan
    return Moved(
        [tokens.pair for tokens in rows.pairs],
        _losses(trainee, rows, scores).cpu(),
        h_B.cpu().masked_fill(alone_B, torch.nan),
        changes_B_2,
        rows.lengths_B_2.cpu(),
    )


def _joined(parts: Sequence[Moved], own: Sequence[TokenPair], pairs: Sequence[TokenPair]) -> Moved:
    """Of all `pairs`, whichever process ran them."""
    columns = [torch.cat(column) for column in zip(*(part[1:] for part in parts), strict=True)]
    if team.size() == 1:
        return Moved([tokens.pair for tokens in own], *columns)
    return Moved([tokens.pair for tokens in pairs], *(gathered(column, own, pairs) for column in columns))


def check_first_step(trainee: Trainee, moved: Moved) -> FirstStep | None:
    """Before any update the policy is its reference, so h = 0. `moved` is the first step's forward pass.

    None for a loss without a reference. Raises ModelError if an answer's log-probability differs from the reference's
    by more than rounding.
    """
    if not trainee.loss.reference:
        return None
    there_B_2 = moved.lengths_B_2 > 0
    at_start = Scores(torch.zeros_like(moved.changes_B_2), moved.lengths_B_2)
    expected_B = trainee.loss.value(at_start, labels(moved.pairs))
    count = loss_count(trainee.loss, moved.lengths_B_2)
    found = FirstStep(
        pairs=len(moved.pairs),
        max_change=float((moved.changes_B_2.abs() / moved.lengths_B_2)[there_B_2].max()),
        tolerance=TOLERANCE[trainee.policy.dtype],
        loss=float(moved.losses_B.sum() / count),
        expected_loss=float(expected_B.sum() / count),
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
    norm = float(whole(torch.nn.utils.clip_grad_norm_(weights, max_norm)))
    if not math.isfinite(norm):
        raise ModelError(f"step {step}: the gradient is not finite; lower train.learning_rate or use dtype float32")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
