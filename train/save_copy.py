"""The policy on disk as any program reads it, while it stays in training: nothing of it is changed.

`save_policy` merges the adapter into the model, which ends the training; here W + scale * B A is worked out beside it.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from generate.quiet import quiet_transformers
from train.policy import Policy

BASE_LAYER = ".base_layer."
ADAPTER_PARTS = (".lora_A.", ".lora_B.")


def save_copy(policy: Policy, out: Path, adapted: bool) -> None:
    """Write configuration, tokenizer and the merged weights in safetensors into `out`, which is made if need be."""
    model = policy.model.get_base_model() if adapted else policy.model
    with quiet_transformers(), torch.no_grad():
        model.save_pretrained(out, state_dict=merged_weights(model))
        policy.tokenizer.save_pretrained(out)


def merged_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The model's weights under their own names, every adapter added in; those without one are not copied."""
    weights: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not any(part in name for part in ADAPTER_PARTS):
            weights[name.replace(BASE_LAYER, ".")] = value
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            (adapter,) = module.active_adapters
            weight = weights[f"{name}.weight"]
            weights[f"{name}.weight"] = weight + module.get_delta_weight(adapter).to(weight.dtype)
    return weights
