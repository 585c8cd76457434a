"""Log-probabilities of answers: the model's body over the rows, its head on the answers' tokens only.

The head is the largest matrix of a small model. It runs in chunks, so that the logits of a row never exist at once, and
its gradient is made in the same pass: d log p(y) / dh = W[y] - softmax(h W^T) W costs one more product then, while
recomputing the logits in the backward pass would cost two. That is for a frozen head, as under LoRA; a trained one has
its logits recomputed, chunk by chunk.

Shapes: N answer tokens, D hidden size, V vocabulary, B pairs, 2 the answers a and b.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from train.fused import can_fuse, fused_states
from train.policy import Policy
from train.rows import Rows

CHUNK = 256


def answer_logps(policy: Policy, rows: Rows) -> Tensor:
    """log pi of every answer [B, 2], summed over its tokens, in float32; part of the graph if gradients are on."""
    with policy.precision():
        hidden_N_D = answer_states(policy, rows)
        weight_V_D, bias_V = policy.head.weight, policy.head.bias
        if hidden_N_D.requires_grad and weight_V_D.requires_grad:
            logps_N = trained_head_logps(hidden_N_D, weight_V_D, bias_V, rows.targets_N)
        elif hidden_N_D.requires_grad:
            logps_N = _FrozenHead.apply(hidden_N_D, weight_V_D, bias_V, rows.targets_N)
        else:
            logps_N = token_logps(hidden_N_D, weight_V_D, bias_V, rows.targets_N)
    sums_2B = logps_N.new_zeros(2 * len(rows.pairs)).index_add(0, rows.owners_N, logps_N)
    return sums_2B.view(-1, 2)


def answer_states(policy: Policy, rows: Rows) -> Tensor:
    """The body's last hidden states [N, D] where answer tokens are predicted."""
    if rows.spans and can_fuse(policy):
        return fused_states(policy.body, rows)
    extra = {"spans": rows.spans} if rows.spans else {}
    states_R_T_D = policy.body(
        input_ids=rows.tokens_R_T,
        position_ids=rows.positions_R_T,
        attention_mask=rows.mask_R_T,
        use_cache=False,
        **extra,
    ).last_hidden_state
    return states_R_T_D.flatten(0, 1).index_select(0, rows.picks_N)


def token_logps(hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
    """log p of each target [N], without a graph."""
    parts = [
        _chunk_logps(h, weight_V_D, bias_V, y)
        for h, y in zip(hidden_N_D.split(CHUNK), targets_N.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)


def trained_head_logps(hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
    """`token_logps` with gradients for the hidden states and the head."""
    parts = [
        checkpoint(_chunk_logps, h, weight_V_D, bias_V, y, use_reentrant=False, preserve_rng_state=False)
        for h, y in zip(hidden_N_D.split(CHUNK), targets_N.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)


def _chunk_logps(hidden_n_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_n: Tensor) -> Tensor:
    return torch.log_softmax(linear(hidden_n_D, weight_V_D, bias_V).float(), -1).gather(1, targets_n[:, None])[:, 0]


class _FrozenHead(torch.autograd.Function):  # type: ignore[misc]
    """`token_logps` with a gradient for the hidden states."""

    @staticmethod
    def forward(ctx: Any, hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
        logps, slopes = [], []
        for h, y in zip(hidden_N_D.split(CHUNK), targets_N.split(CHUNK), strict=True):
            scores_n_V = torch.log_softmax(linear(h, weight_V_D, bias_V).float(), -1)
            logps.append(scores_n_V.gather(1, y[:, None])[:, 0])
            chances_n_V = scores_n_V.exp_().to(h.dtype)
            slopes.append(weight_V_D[y] - chances_n_V @ weight_V_D)
        ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(logps)

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes_N_D,) = ctx.saved_tensors
        return (grad_N[:, None] * slopes_N_D).to(slopes_N_D.dtype), None, None, None
