"""A model's body over a shared row, layer by layer, out of kernels.py: for decoders built as Llama's are.

Same weights, same adapters, same results to rounding as transformers' own forward pass; layout.py tries that before any
row is shared. In the last layer nothing past the attention is computed for positions that predict no answer token.

Shapes: T tokens of the row, N answer tokens, D hidden size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from train.attention import pair_attention
from train.kernels import Linear, gated_residual, norm_linears, residual_linear, rotate
from train.policy import Policy
from train.rows import Rows, shared_row
from train.tokens import TokenPair

# Llama's layer: RMS norms before attention and MLP, rotary positions, SiLU gate; Qwen2 adds biases.
MODEL_TYPES = frozenset({"llama", "mistral", "qwen2"})


class Angles(NamedTuple):
    """Cosines and sines of the rotary positions, for F = E / 2 numbers of a head's E."""

    cos_T_1_F: Tensor
    sin_T_1_F: Tensor


def can_fuse(policy: Policy) -> bool:
    """Whether it is such a decoder, frozen but for adapters (other weights get no gradient here), in one dtype, and
    in one piece."""
    if policy.sharded:
        return False
    config = policy.model.config.get_text_config()
    known = config.model_type in MODEL_TYPES and config.hidden_act == "silu"
    return known and not policy.mixed and not policy.body.embed_tokens.weight.requires_grad


def fused_states(policy: Policy, rows: Rows) -> Tensor:
    """The last hidden states [N, D] where answer tokens are predicted."""
    body, lower = policy.body, policy.lower
    depth = lower.depth if lower else 0
    if lower:
        x_T_D = torch.cat([lower.of(pair, lambda pair: _lower_states(policy, pair, depth)) for pair in rows.pairs])
    else:
        x_T_D = body.embed_tokens(rows.tokens_R_T)[0]
    angles = _angles(body, x_T_D, rows)
    for layer in body.layers[depth:-1]:
        x_T_D = layer_output(layer, x_T_D, angles, rows, None)
    return body.norm(layer_output(body.layers[-1], x_T_D, angles, rows, rows.picks_N))


def _lower_states(policy: Policy, pair: TokenPair, depth: int) -> Tensor:
    """What enters layer `depth`, for one pair alone in its row [T, D]; without a graph."""
    rows = shared_row([pair]).to(policy.device)
    with torch.no_grad():
        x_T_D = policy.body.embed_tokens(rows.tokens_R_T)[0]
        angles = _angles(policy.body, x_T_D, rows)
        for layer in policy.body.layers[:depth]:
            x_T_D = layer_output(layer, x_T_D, angles, rows, None)
    return x_T_D


def _angles(body: Any, x_T_D: Tensor, rows: Rows) -> Angles:
    """Both halves of a head turn by the same angles: one is enough."""
    cos_1_T_E, sin_1_T_E = body.rotary_emb(x_T_D, rows.positions_R_T)
    half = cos_1_T_E.shape[-1] // 2
    return Angles(cos_1_T_E[0, :, None, :half], sin_1_T_E[0, :, None, :half])


def layer_output(layer: Any, x_T_D: Tensor, angles: Angles, rows: Rows, picks_N: Tensor | None) -> Tensor:
    """One decoder layer's output [T, D], or [N, D] at the positions `picks_N`."""
    attention, mlp = layer.self_attn, layer.mlp
    norm = layer.input_layernorm
    parts = norm_linears(
        x_T_D,
        norm.weight,
        norm.variance_epsilon,
        (take_apart(attention.q_proj), take_apart(attention.k_proj), take_apart(attention.v_proj)),
    )
    q, k, v = (part.view(len(part), -1, attention.head_dim) for part in parts)
    q, k, v = (head.transpose(0, 1)[None] for head in (rotate(q, *angles), rotate(k, *angles), v))
    attended = pair_attention(attention, q, k, v, None, attention.scaling, spans=rows.spans).output
    attended_T_D = attended.reshape(len(x_T_D), -1)
    if picks_N is not None:
        x_T_D, attended_T_D = x_T_D.index_select(0, picks_N), attended_T_D.index_select(0, picks_N)
    x_T_D = residual_linear(x_T_D, attended_T_D, take_apart(attention.o_proj))
    norm = layer.post_attention_layernorm
    gate_up = (take_apart(mlp.gate_proj), take_apart(mlp.up_proj))
    gate_T_I, up_T_I = norm_linears(x_T_D, norm.weight, norm.variance_epsilon, gate_up)
    return gated_residual(x_T_D, gate_T_I, up_T_I, take_apart(mlp.down_proj))


def take_apart(module: Any) -> Linear:
    """A linear module, with peft's adapter where it has one."""
    base = getattr(module, "base_layer", module)
    if not getattr(module, "lora_A", None):
        return Linear(base.weight, base.bias, None, None, 0.0)
    (name,) = module.active_adapters
    return Linear(base.weight, base.bias, module.lora_A[name].weight, module.lora_B[name].weight, module.scaling[name])
