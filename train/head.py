"""The language-model head with its softmax: log p of each target token, a tile of the vocabulary at a time.

The head is the largest matrix of a small model, and its logits the largest tensor. Here a tile's logits are folded into
a running maximum, sum and mean, as FlashAttention does it (Dao et al. 2022, arXiv 2205.14135, algorithm 1), so no more
than a tile exists at once, and it is read while it is still in a cache. The mean is that of the head's rows under the
softmax, which is all that the gradient needs: d log p(y) / dh = W[y] - softmax(h W^T) W. So a frozen head costs two
products; recomputing the logits in the backward pass would cost three. A trained head recomputes them, in chunks.

Shapes: N answer tokens, D hidden size, V vocabulary, v a tile of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

TILE = 4096
CHUNK = 256


def head_logps(hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
    """log p of each target [N] in float32, with gradients for whatever asks for one."""
    if not hidden_N_D.requires_grad:
        return _scan(hidden_N_D, weight_V_D, bias_V, targets_N, with_mean=False).logps_N
    if weight_V_D.requires_grad:
        return _trained_head_logps(hidden_N_D, weight_V_D, bias_V, targets_N)
    logps_N: Tensor = _FrozenHead.apply(hidden_N_D, weight_V_D, bias_V, targets_N)
    return logps_N


class _Scanned(NamedTuple):
    """log p of the targets, and the mean of the head's rows under the softmax where it was asked for."""

    logps_N: Tensor
    mean_N_D: Tensor | None


def _scan(
    hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor, with_mean: bool
) -> _Scanned:
    count = len(hidden_N_D)
    top_N_1 = hidden_N_D.new_full((count, 1), -torch.inf, dtype=torch.float32)
    mass_N_1, own_N_1 = torch.zeros_like(top_N_1), torch.zeros_like(top_N_1)
    mean_N_D = hidden_N_D.new_zeros(hidden_N_D.shape, dtype=torch.float32) if with_mean else None
    for start in range(0, len(weight_V_D), TILE):
        weight_v_D = weight_V_D[start : start + TILE]
        scores_N_v = linear(hidden_N_D, weight_v_D, None if bias_V is None else bias_V[start : start + TILE]).float()
        column_N_1 = targets_N[:, None] - start
        inside_N_1 = (column_N_1 >= 0) & (column_N_1 < len(weight_v_D))
        here_N_1 = scores_N_v.gather(1, column_N_1.clamp(0, len(weight_v_D) - 1))
        own_N_1 = torch.where(inside_N_1, here_N_1, own_N_1)
        higher_N_1 = torch.maximum(top_N_1, scores_N_v.amax(1, keepdim=True))
        fade_N_1 = (top_N_1 - higher_N_1).exp_()
        chances_N_v = scores_N_v.sub_(higher_N_1).exp_()
        mass_N_1.mul_(fade_N_1).add_(chances_N_v.sum(1, keepdim=True))
        if mean_N_D is not None:
            _add_product(mean_N_D.mul_(fade_N_1), chances_N_v, weight_v_D)
        top_N_1 = higher_N_1
    logps_N = (own_N_1 - top_N_1 - mass_N_1.log())[:, 0]
    return _Scanned(logps_N, None if mean_N_D is None else mean_N_D.div_(mass_N_1))


def _add_product(onto_N_D: Tensor, chances_N_v: Tensor, weight_v_D: Tensor) -> None:
    """onto += chances W, in place; the product in the weights' dtype."""
    if weight_v_D.dtype == torch.float32 and not torch.is_autocast_enabled(weight_v_D.device.type):
        onto_N_D.addmm_(chances_N_v, weight_v_D)
    else:
        onto_N_D.add_(chances_N_v.to(weight_v_D.dtype) @ weight_v_D)


class _FrozenHead(torch.autograd.Function):  # type: ignore[misc]
    """log p with a gradient for the hidden states."""

    @staticmethod
    def forward(ctx: Any, hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
        logps_N, mean_N_D = _scan(hidden_N_D, weight_V_D, bias_V, targets_N, with_mean=True)
        assert mean_N_D is not None
        ctx.save_for_backward((weight_V_D[targets_N] - mean_N_D).to(hidden_N_D.dtype))
        return logps_N

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, None, None, None]:
        (slopes_N_D,) = ctx.saved_tensors
        return (grad_N[:, None] * slopes_N_D).to(slopes_N_D.dtype), None, None, None


def _trained_head_logps(hidden_N_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_N: Tensor) -> Tensor:
    """log p with gradients for the hidden states and the head."""
    parts = [
        checkpoint(_chunk_logps, h, weight_V_D, bias_V, y, use_reentrant=False, preserve_rng_state=False)
        for h, y in zip(hidden_N_D.split(CHUNK), targets_N.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)


def _chunk_logps(hidden_n_D: Tensor, weight_V_D: Tensor, bias_V: Tensor | None, targets_n: Tensor) -> Tensor:
    return torch.log_softmax(linear(hidden_n_D, weight_V_D, bias_V).float(), -1).gather(1, targets_n[:, None])[:, 0]
