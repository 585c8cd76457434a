"""The numbers in a model's config.json: whole, and within bounds that every real model keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constitution.errors import ModelError

BOUNDS: Mapping[str, int] = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 1_000),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "n_head", "n_heads"), 10_000),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 10_000),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "head_dim"), 200_000),
    **dict.fromkeys(("intermediate_size", "n_inner", "moe_intermediate_size"), 2_000_000),
    "vocab_size": 10_000_000,
    "max_position_embeddings": 100_000_000,
}
"""Generous: the largest models have less than a fifth of these. Anything above would only use up memory and time."""
MOST_NESTED = 8


def check_numbers(name: str, config: Mapping[str, Any], nested: int = 0) -> None:
    """Raises ModelError for a number that is none or out of bounds, in the configurations of parts too.

    null is a default of transformers'; a list has a number for each layer.
    """
    for key, value in config.items():
        if isinstance(value, dict) and nested < MOST_NESTED:
            check_numbers(name, value, nested + 1)
        elif key in BOUNDS and value is not None:
            for number in value if isinstance(value, list) else [value]:
                _check(name, key, number)


def _check(name: str, key: str, number: object) -> None:
    if type(number) is not int or not 1 <= number <= BOUNDS[key]:
        raise ModelError(
            f"the config.json of the model `{name}` has the {key} {str(number)[:40]!r}, where a whole number from 1 to "
            f"{BOUNDS[key]:,} was expected"
        )
