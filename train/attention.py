"""Attention over a shared row (rows.py), pair by pair: causal over [prompt a], then b over [prompt b].

This is the attention that a [T, T] block mask would give, without computing what the mask throws away: the work grows
with the sum of the pairs' squared lengths, not with the square of the row. Measured on one CPU core, four pairs of 220
tokens in a row, six of SmolLM2's layers with adapters, forward and backward: 1.2 s, with the block mask 1.5 s.

Shapes: H heads, T tokens of the row, D numbers a head; keys and values may have fewer heads (grouped queries).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from train.rows import Span

NAME = "preceptor_pairs"


class Attended(NamedTuple):
    """What transformers expects of an attention function: the output [1, T, H, D], and no attention weights."""

    output: Tensor
    weights: None


def register() -> None:
    """Make `NAME` known to transformers; a model uses it after `model.set_attn_implementation(NAME)`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, pair_attention)


def pair_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    spans: tuple[Span, ...],
    **ignored: Any,
) -> Attended:
    """transformers' attention interface over one row [1, H, T, D] whose pairs are `spans`.

    A model that needs more than this (soft-capped scores, attention sinks) passes it in `ignored`; layout.py finds such
    a model by its results and does not use shared rows for it.
    """
    groups = query.shape[1] // key.shape[1]
    sizes = [span.prompt + span.a + span.b for span in spans]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    outputs = []
    for span, q, k, v in zip(spans, query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True):
        outputs += _one_pair(q, k, v, span, scaling)
    return Attended(torch.cat(outputs, 2).transpose(1, 2), None)


def _one_pair(q: Tensor, k: Tensor, v: Tensor, span: Span, scaling: float | None) -> list[Tensor]:
    extent = [span.prompt, span.a, span.b]
    first = span.prompt + span.a
    q_first, q_b = q.split([first, span.b], 2)
    k_prompt, _, k_b = k.split(extent, 2)
    v_prompt, _, v_b = v.split(extent, 2)
    out_first = scaled_dot_product_attention(q_first, k[:, :, :first], v[:, :, :first], is_causal=True, scale=scaling)
    if not span.b:
        return [out_first]
    out_b = scaled_dot_product_attention(
        q_b,
        torch.cat((k_prompt, k_b), 2),
        torch.cat((v_prompt, v_b), 2),
        attn_mask=span.seen_by_b_Q_K,
        scale=scaling,
    )
    return [out_first, out_b]
