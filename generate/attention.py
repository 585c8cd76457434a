"""Attention for decoding: the query heads that share a key head are rows of one product, so keys are never copied.

transformers repeats keys and values for every query head before torch's attention whenever there is a padding mask.
With one new token a row, that copying is most of a decoding step: 9 query heads on 3 key heads write three times the
whole cache, at every layer and token. Seen as 3 queries a key head, the same numbers come out of the cache as it lies.

Shapes: B rows, H query heads, G key heads, Q new tokens, T tokens seen, D numbers a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NAME = "preceptor_decoding"
EXTRAS = ("position_bias", "cache", "s_aux", "softcap")
"""What some models pass to their attention besides queries, keys, values and a mask."""


def register() -> str:
    """Make the attention known to transformers, with torch's own masks; returns its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, decoding_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def decoding_attention(
    module: torch.nn.Module,
    query_B_H_Q_D: Tensor,
    key_B_G_T_D: Tensor,
    value_B_G_T_D: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: the output [B, Q, H, D], and no attention weights.

    Anything but one new token a row, without extras, goes to transformers' own function for torch's attention.
    """
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rows, heads, new, width = query_B_H_Q_D.shape
    groups = key_B_G_T_D.shape[1]
    if new != 1 or groups == heads or dropout or any(others.get(extra) is not None for extra in EXTRAS):
        output, _ = sdpa_attention_forward(
            module, query_B_H_Q_D, key_B_G_T_D, value_B_G_T_D, attention_mask, dropout, scaling, **others
        )
        return output, None
    together = query_B_H_Q_D.reshape(rows, groups, heads // groups, width)
    mask = None if attention_mask is None else attention_mask[..., : key_B_G_T_D.shape[2]]
    output = scaled_dot_product_attention(together, key_B_G_T_D, value_B_G_T_D, attn_mask=mask, scale=scaling)
    return output.reshape(rows, heads, 1, width).transpose(1, 2), None
