"""examples/gpu: its run file is sound, and its README's memory plan is what its script computes from the shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from constitution.load import load_constitution, load_yaml
from generate.prompts import load_prompts
from generate.settings import VllmEngine
from judge.settings import LlmJudge
from pipeline.config import RunConfig

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "gpu"


@pytest.fixture(scope="module")
def memory() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory", FOLDER / "memory.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plan_is_of_this_run_file(memory: ModuleType) -> None:
    config = load_yaml(FOLDER / "run.yaml", RunConfig)
    engine, judge = config.engines["fast"], config.judges["real"]
    assert isinstance(engine, VllmEngine)
    assert isinstance(judge, LlmJudge)
    assert (memory.POLICY.name, memory.JUDGE.name) == (config.model, judge.model)
    assert (engine.gpu_memory_utilization, engine.max_model_len) == (memory.SHARE, memory.MODEL_LEN)
    assert config.train.lora
    assert (config.train.lora.r, config.train.row_tokens) == (memory.RANK, memory.ROW_TOKENS)
    assert len(load_constitution(FOLDER / config.constitution).principles) == 8
    assert config.prompts.train
    assert len(load_prompts(FOLDER / config.prompts.train)) == 160


def test_the_judge_is_of_another_family(memory: ModuleType) -> None:
    """As the run file says. By the makers' names: a judge favours what its own kind would have said."""
    assert memory.POLICY.name.split("/")[0] != memory.JUDGE.name.split("/")[0]


def test_the_readme_has_the_tables_as_they_are_computed(memory: ModuleType) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "\n".join(memory.lines()) in readme


def test_the_arithmetic(memory: ModuleType) -> None:
    """Against the sizes that the models' makers give, and one layer by hand."""
    assert memory.POLICY.parameters == pytest.approx(7.25e9, rel=0.01)
    assert memory.JUDGE.parameters == pytest.approx(8.2e9, rel=0.01)
    small = memory.Shape("small", 1, 4, 8, 2, 1, 2, 10)
    assert small.parameters == 2 * 10 * 4 + (4 * 4 + 4 * 2 + 4 * 2 + 4 * 4) + 3 * 4 * 8
    assert small.kv_bytes == 2 * 1 * 1 * 2 * 2
    assert small.adapter_gib * 2**30 == pytest.approx(16 * 16 * (8 + 6 + 6 + 8 + 12 * 3))
    assert memory.cache_tokens(memory.JUDGE, 12) == 0
    free_gib = 72e9 / 2**30 - 3 - memory.POLICY.weights_gib
    assert memory.cache_tokens(memory.POLICY, 80) == int(free_gib * 2**30 / 131072)


def test_the_arithmetic_is_that_of_a_real_model_of_this_shape(memory: ModuleType) -> None:
    """Transformers' own count of a small Mistral with the same proportions of parts, norms aside."""
    from transformers import MistralConfig, MistralForCausalLM

    shape = memory.Shape("small", 2, 32, 96, 4, 2, 8, 100)
    config = MistralConfig(
        num_hidden_layers=2, hidden_size=32, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=100, tie_word_embeddings=False,
    )  # fmt: skip
    model = MistralForCausalLM(config)
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2)
    assert matrices == shape.parameters
