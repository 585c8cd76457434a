"""Fixtures that several test files share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from generate.engine import Engine, ModelRef
from generate.models import resolve_model
from generate.open import open_engine
from generate.settings import VllmEngine

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background has SIGINT ignored in them and in all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public test data, kept in `shared/data` next to the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data next to the repository, which this machine does not have")
    return folder


@pytest.fixture(scope="session")
def bundled_model() -> ModelRef:
    """SmolLM2-135M-Instruct, converted on first use and kept in the cache folder."""
    return resolve_model("bundled:smollm2-135m-instruct")


@pytest.fixture(scope="session")
def tiny_model(bundled_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """A Llama of two layers with random weights, the same on every machine, and SmolLM2's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-model")
    tokenizer = AutoTokenizer.from_pretrained(bundled_model.path)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        # Wide enough that the next token is far from uniform, so that tests can tell two predictions apart.
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return resolve_model(str(folder))


@pytest.fixture(scope="session")
def vllm_engine(bundled_model: ModelRef) -> Iterator[Engine]:
    """The real vLLM engine with the real small model, started once for all tests."""
    settings = VllmEngine(type="vllm", max_model_len=2048, kv_cache_gib=0.5, enforce_eager=True)
    engine = open_engine("fast", settings, bundled_model)
    yield engine
    engine.close()
