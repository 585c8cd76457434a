"""The embedded engine against slow oracles: one row at a time, no cache, no padding, no sharing."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from pydantic import BaseModel, ConfigDict, Field

from constitution.errors import DataError, ModelError
from generate.engine import Engine, ModelRef, Sampling
from generate.engine_transformers import TransformersRunner
from generate.models import resolve_model
from generate.open import open_engine
from generate.prefill import next_logits, prefill
from generate.readout import sum_spellings
from generate.records import Message
from generate.settings import TransformersEngine
from generate.tokens import encode, load_tokenizer, spellings

SHORT = [
    "Hello there!",
    "Why is the sky blue? Give me three reasons, and say which of them you trust most.",
    "Name a colour.",
    "What do bees make, and how, and for whom? Answer as if I were five.",
    "Hello there, how are you?",
]
PAIR = "Compare two answers. Answer A: it rains. Answer B: it may rain tomorrow, take a coat. " * 4
PRINCIPLES = ["Prefer the shorter one.", "Prefer the kinder answer of the two.", "Prefer what helps.", "Be honest!"]


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    verdict: Literal["A", "B", "neither"]
    sure: bool


class Reasoned(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rationale: str = Field(max_length=60)
    verdict: Literal["A", "B"]


def chat(*texts: str) -> list[tuple[Message, ...]]:
    return [(Message(role="user", content=text),) for text in texts]


def runner(model: ModelRef, batch_size: int = 128) -> TransformersRunner:
    return TransformersRunner("embedded", TransformersEngine(type="transformers", batch_size=batch_size), model)


@pytest.fixture(scope="module")
def engine(tiny_model: ModelRef, one_thread: None) -> Iterator[TransformersRunner]:
    opened = runner(tiny_model)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def real(bundled_model: ModelRef) -> Iterator[Engine]:
    opened = open_engine("embedded", TransformersEngine(type="transformers"), bundled_model)
    yield opened
    opened.close()


def plain_logits(engine: TransformersRunner, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = engine._model(input_ids=torch.tensor([row])).logits[0, -1].float()
    return logits


def test_greedy_answers_equal_the_argmax_of_every_step(engine: TransformersRunner) -> None:
    found = engine.sample(chat(*SHORT), 1, Sampling(temperature=0, max_new_tokens=6), seed=0)
    for row, (completion,) in zip(encode(engine._tokenizer, chat(*SHORT), 6, 512), found, strict=True):
        answer: list[int] = []
        while len(answer) < 6:
            answer.append(int(plain_logits(engine, row + answer).argmax()))
        assert completion.text == engine._tokenizer.decode(answer, skip_special_tokens=True)
        assert (completion.finish, completion.tokens, completion.prompt_tokens) == ("length", 6, len(row))


def test_the_same_call_gives_the_same_samples(engine: TransformersRunner) -> None:
    sampling = Sampling(max_new_tokens=8)
    first = engine.sample(chat(*SHORT), 3, sampling, seed=7)
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    assert engine.sample(chat(*SHORT), 3, sampling, seed=7) == first
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's random state is not ours to change"
    assert engine.sample(chat(*SHORT), 3, sampling, seed=8) != first
    assert all(len({completion.text for completion in answers}) == 3 for answers in first)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_order_is_kept_whatever_the_batches(engine: TransformersRunner, tiny_model: ModelRef, batch_size: int) -> None:
    greedy = Sampling(temperature=0, max_new_tokens=4)
    small = runner(tiny_model, batch_size)
    assert small.sample(chat(*SHORT), 2, greedy, seed=0) == engine.sample(chat(*SHORT), 2, greedy, seed=0)


def test_a_models_own_sampling_defaults_do_not_leak(
    engine: TransformersRunner, tiny_model: ModelRef, tmp_path: Path
) -> None:
    opinionated = tmp_path / "opinionated"
    shutil.copytree(tiny_model.path, opinionated)
    defaults = {"eos_token_id": 2, "do_sample": True, "temperature": 0.01, "top_k": 1, "top_p": 0.1}
    (opinionated / "generation_config.json").write_text(json.dumps(defaults | {"repetition_penalty": 9.0}))
    sampling = Sampling(max_new_tokens=8)
    found = runner(resolve_model(str(opinionated))).sample(chat(*SHORT), 2, sampling, seed=3)
    assert found == engine.sample(chat(*SHORT), 2, sampling, seed=3)


def test_nothing_is_cut_off_the_distribution(engine: TransformersRunner) -> None:
    """First tokens of many samples against the softmax: with a top-k of 50 the tail would be empty."""
    (row,) = encode(engine._tokenizer, chat("Hello there!"), 1, 512)
    probabilities_V = plain_logits(engine, row).softmax(dim=-1)
    tail = probabilities_V.sort(descending=True).indices[50:]
    expected = float(probabilities_V[tail].sum())
    drawn = engine.sample(chat("Hello there!"), 400, Sampling(max_new_tokens=1), seed=1)[0]
    head = {engine._tokenizer.decode([i]) for i in probabilities_V.sort(descending=True).indices[:50].tolist()}
    share = sum(completion.text not in head for completion in drawn) / len(drawn)
    assert 0.05 < expected < 0.999
    assert share == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("share", [True, False])
def test_choices_equal_one_forward_pass_of_the_prompt_alone(engine: TransformersRunner, share: bool) -> None:
    conversations = chat(*[PAIR + principle for principle in PRINCIPLES], *SHORT)
    rows = encode(engine._tokenizer, conversations, 1, 512)
    tokens = spellings(engine._tokenizer, ["A", "B"])
    engine._share, before = share, engine._share
    found = engine.read_choices(conversations, ["A", "B"])
    engine._share = before
    for row, readout in zip(rows, found, strict=True):
        logps_V = plain_logits(engine, row).log_softmax(dim=-1)
        expected = [sum_spellings([float(logps_V[i]) for i in ids]) for ids in tokens]
        assert readout.logps == pytest.approx(expected, abs=1e-4)
        assert readout.missing_mass == pytest.approx(1 - sum(map(math.exp, expected)), abs=1e-5)
        assert readout.prompt_tokens == len(row)


def test_shared_and_whole_prefill_agree_where_prefixes_differ_in_length(engine: TransformersRunner) -> None:
    texts = [PAIR + p for p in PRINCIPLES] + [PAIR[:90] * 2 + p for p in PRINCIPLES] + SHORT
    rows = sorted(encode(engine._tokenizer, chat(*texts), 1, 512))
    with torch.inference_mode():
        shared, whole = (prefill(engine._model, rows, 2, share) for share in (True, False))
        assert shared.cached > 60
        assert whole.cached == 0
        assert shared.ids_B_T.shape[1] > whole.ids_B_T.shape[1] - 1
        computed = shared.ids_B_T.shape[1] - shared.cached
        assert computed * len(rows) < whole.ids_B_T.numel() / 3
        difference = next_logits(engine._model, shared) - next_logits(engine._model, whole)
    assert difference.abs().max() < 1e-4


def test_spellings_are_single_tokens_with_and_without_space(tiny_model: ModelRef) -> None:
    tokenizer = load_tokenizer(tiny_model)
    for choice, ids in zip(["A", "B"], spellings(tokenizer, ["A", "B"]), strict=True):
        assert {tokenizer.decode([i]) for i in ids} == {choice, f" {choice}"}
    with pytest.raises(DataError, match="more than one token"):
        spellings(tokenizer, ["A", "antidisestablishment"])
    with pytest.raises(DataError, match="differ in more than spaces"):
        spellings(tokenizer, ["A", " A"])


def test_a_prompt_that_does_not_fit_is_named(engine: TransformersRunner) -> None:
    long = "Tell me everything about rivers. " * 200
    with pytest.raises(DataError, match="the prompt that starts `Tell me everything about rivers") as error:
        engine.sample(chat("Hello", long), 1, Sampling(max_new_tokens=4), seed=0)
    assert "the model's 512" in str(error.value)


def test_no_prompts_no_answers(engine: TransformersRunner) -> None:
    assert engine.sample([], 2, Sampling(), seed=0) == []
    assert engine.read_choices([], ["A", "B"]) == []
    assert engine.complete_json([], Verdict, 8) == []


def test_constrained_answers_are_valid_and_alone_the_same(
    engine: TransformersRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTLINES_CACHE_DIR", str(tmp_path / "outlines"))
    conversations = chat(*[PAIR + principle for principle in PRINCIPLES], *SHORT)
    found = engine.complete_json(conversations, Verdict, 40)
    for conversation, completion in zip(conversations, found, strict=True):
        assert completion.finish == "stop"
        Verdict.model_validate_json(completion.text)
        assert engine.complete_json([conversation], Verdict, 40) == [completion]
    assert not (tmp_path / "outlines").exists(), "outlines must not keep a cache on disk"


def test_a_constrained_answer_that_is_cut_says_so(engine: TransformersRunner) -> None:
    (completion,) = engine.complete_json(chat("Which?"), Reasoned, 5)
    assert (completion.finish, completion.tokens) == ("length", 5)
    assert completion.text.startswith("{")


def exhaust_memory_above(rows: int) -> Any:
    """A hook that makes torch itself fail to allocate, as a batch too large would."""

    def hook(module: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(named["input_ids"]) > rows:
            torch.empty(2**60)

    return hook


def test_out_of_memory_halves_the_batch_and_goes_on(engine: TransformersRunner, tiny_model: ModelRef) -> None:
    greedy = Sampling(temperature=0, max_new_tokens=3)
    small = runner(tiny_model, batch_size=10)
    small._model.register_forward_pre_hook(exhaust_memory_above(2), with_kwargs=True)
    assert small.sample(chat(*SHORT), 2, greedy, seed=0) == engine.sample(chat(*SHORT), 2, greedy, seed=0)
    assert small.batch_size == 2
    assert len(small.read_choices(chat(*SHORT), ["A", "B"])) == len(SHORT)


def test_out_of_memory_on_one_row_gives_advice(tiny_model: ModelRef) -> None:
    small = runner(tiny_model, batch_size=4)
    small._model.register_forward_pre_hook(exhaust_memory_above(0), with_kwargs=True)
    with pytest.raises(ModelError, match="ran out of memory on a single prompt: lower max_new_tokens"):
        small.sample(chat(*SHORT), 1, Sampling(max_new_tokens=2), seed=0)


def test_weights_that_do_not_load_are_the_users_to_mend(tiny_model: ModelRef, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model.path, broken)
    shutil.copy(broken / "model.safetensors", broken / "other.safetensors")
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        runner(resolve_model(str(broken)))


def test_weights_that_were_cut_off_are_the_users_to_mend_too(tiny_model: ModelRef, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model.path, broken)
    os.truncate(broken / "model.safetensors", 5000)
    with pytest.raises(ModelError, match="cannot be loaded"):
        runner(resolve_model(str(broken)))


@pytest.mark.real_model
def test_an_answer_ends_with_its_end_of_turn_or_is_cut(real: Engine) -> None:
    question = chat("What is the capital of France?")
    ((whole,),) = real.sample(question, 1, Sampling(temperature=0, max_new_tokens=20), seed=0)
    assert whole.text == "The capital of France is Paris."
    assert (whole.finish, whole.tokens) == ("stop", 8)
    ((cut,),) = real.sample(question, 1, Sampling(temperature=0, max_new_tokens=7), seed=0)
    assert (cut.text, cut.finish, cut.tokens) == (whole.text, "length", 7)


@pytest.mark.real_model
def test_the_real_model_reasons_within_the_schema(real: Engine) -> None:
    conversations = chat("Which is better, A: yes or B: no? Say why.", "Is the sky blue? A: yes. B: no.")
    for completion in real.complete_json(conversations, Reasoned, 60):
        assert completion.finish == "stop"
        assert len(Reasoned.model_validate_json(completion.text).rationale) <= 60
