"""The real vLLM engine with the real small model on the CPU: the embedded engine's records, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from constitution.errors import DataError
from generate.engine import Drawn, Engine, ModelRef, Sampling
from generate.open import open_engine
from generate.records import Message
from generate.settings import TransformersEngine

pytestmark = pytest.mark.vllm

QUESTIONS = ["What is the capital of France?", "Name three colours of the rainbow, please.", "Is A or B better?"]


class Reasoned(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rationale: str = Field(max_length=120)
    verdict: Literal["A", "B"]


def chat(*texts: str) -> list[tuple[Message, ...]]:
    return [(Message(role="user", content=text),) for text in texts]


@pytest.fixture(scope="module")
def embedded(bundled_model: ModelRef) -> Iterator[Engine]:
    opened = open_engine("embedded", TransformersEngine(type="transformers"), bundled_model)
    yield opened
    opened.close()


def test_n_samples_of_one_request_are_reproducible(vllm_engine: Engine) -> None:
    sampling = Sampling(max_new_tokens=24)
    found = vllm_engine.sample(chat(*QUESTIONS), 3, sampling, seed=5)
    assert found == vllm_engine.sample(chat(*QUESTIONS), 3, sampling, seed=5)
    assert found != vllm_engine.sample(chat(*QUESTIONS), 3, sampling, seed=6)
    for answers in found:
        assert len({completion.text for completion in answers}) == 3
        for completion in answers:
            assert completion.tokens == 24 if completion.finish == "length" else 0 < completion.tokens <= 24


def test_greedy_answers_and_counts_equal_the_embedded_engines(vllm_engine: Engine, embedded: Engine) -> None:
    greedy = Sampling(temperature=0, max_new_tokens=12)
    found = vllm_engine.sample(chat(QUESTIONS[0]), 2, greedy, seed=0)
    assert found == embedded.sample(chat(QUESTIONS[0]), 2, greedy, seed=0)
    assert found[0][0].text == "The capital of France is Paris."
    assert (found[0][0].finish, found[0][0].tokens) == ("stop", 8)
    ((cut,),) = vllm_engine.sample(chat(QUESTIONS[0]), 1, Sampling(temperature=0, max_new_tokens=7), seed=0)
    assert (cut.finish, cut.tokens) == ("length", 7)


def test_read_outs_agree_with_the_embedded_engine(vllm_engine: Engine, embedded: Engine) -> None:
    shared = "Two answers to compare. A: it rains. B: it may rain tomorrow, so take a coat. " * 5
    conversations = chat(*QUESTIONS, *[shared + f"Prefer the {word} one. A or B?" for word in ("kinder", "shorter")])
    for ours, theirs in zip(
        embedded.read_choices(conversations, ["A", "B"]),
        vllm_engine.read_choices(conversations, ["A", "B"]),
        strict=True,
    ):
        assert theirs.logps == pytest.approx(ours.logps, abs=1e-3)
        assert theirs.missing_mass == pytest.approx(ours.missing_mass, abs=1e-3)
        assert theirs.prompt_tokens == ours.prompt_tokens


def test_json_keeps_to_the_schema(vllm_engine: Engine) -> None:
    for completion in vllm_engine.complete_json(chat(*QUESTIONS), Reasoned, 120):
        assert completion.finish == "stop"
        Reasoned.model_validate_json(completion.text)
    (cut,) = vllm_engine.complete_json(chat(QUESTIONS[0]), Reasoned, 4)
    assert (cut.finish, cut.tokens) == ("length", 4)


def test_a_prompt_that_does_not_fit_is_named_and_fails_alone(vllm_engine: Engine) -> None:
    long = "Tell me about rivers. " * 800
    with pytest.raises(DataError, match="the prompt that starts `Tell me about rivers"):
        vllm_engine.sample(chat(long), 1, Sampling(), seed=0)
    too_long, fits = vllm_engine.read_choices(chat(long, QUESTIONS[0]), ["A", "B"])
    assert too_long.failure is not None
    assert too_long.failure.reason == "too_long"
    assert fits.failure is None
    assert fits.logps == pytest.approx(vllm_engine.read_choices(chat(QUESTIONS[0]), ["A", "B"])[0].logps, abs=1e-3)


def test_drawn_json_has_its_own_seeds(vllm_engine: Engine) -> None:
    drawn = Drawn(1.0, (1, 2, 1))
    found = vllm_engine.complete_json(chat(*QUESTIONS[:1] * 3), Reasoned, 120, drawn)
    assert found[0].text == found[2].text != found[1].text
    (alone,) = vllm_engine.complete_json(chat(QUESTIONS[0]), Reasoned, 120, Drawn(1.0, (2,)))
    assert alone.text == found[1].text


def test_no_prompts_no_answers(vllm_engine: Engine) -> None:
    assert vllm_engine.sample([], 2, Sampling(), seed=0) == []
    assert vllm_engine.read_choices([], ["A", "B"]) == []
