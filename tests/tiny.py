"""Llamas of two layers with random weights, the same on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generate.engine import ModelRef
from generate.models import resolve_model


def tiny_llama(tokenizer: Any, **changes: Any) -> Any:
    """The configuration of one that reads this tokenizer's ids."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **changes,
    )


def save_tiny(kind: Any, config: Any, tokenizer: Any, folder: Path, seed: int) -> ModelRef:
    """A new model of this class of transformers' in the folder, with its tokenizer."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kind(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return resolve_model(str(folder))


def smollm_of_two_layers(bundled: ModelRef, folder: Path) -> ModelRef:
    """A Llama of two layers with random weights and SmolLM2's tokenizer."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(bundled.path)
    config = tiny_llama(
        tokenizer,
        max_position_embeddings=512,
        # Wide enough that the next token is far from uniform, so that tests can tell two predictions apart.
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save_tiny(LlamaForCausalLM, config, tokenizer, folder, seed=0)
