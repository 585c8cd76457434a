"""Answers are sampled once, in batches that a crash cannot tear; pairs are made of different answers only."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.progress import Tick
from constitution.store import Store
from generate.engine import Engine, ModelRef, Sampling
from generate.open import open_engine
from generate.pairs import Pairing, count_pairs, distinct, pair_up
from generate.records import Prompt, Response
from generate.sampling import SamplePlan, SampleSet, count_missing, sample_here, sample_prompts, sampler_digest
from generate.settings import TransformersEngine

WORDS = ("rain", "bread", "iron", "music", "salt")
PROMPTS = [Prompt(id=str(i), prompt=f"What is {word}?") for i, word in enumerate(WORDS)]
SETTINGS = TransformersEngine(type="transformers")


def plan_for(model: ModelRef, seed: int = 0) -> SamplePlan:
    sampling = Sampling(max_new_tokens=6)
    return SamplePlan(sampler_digest(model, SETTINGS, sampling), 3, sampling, seed, prompts_per_batch=2)


@pytest.fixture(scope="module")
def engine(tiny_model: ModelRef) -> Engine:
    return open_engine("embedded", SETTINGS, tiny_model)


def never() -> Engine:
    raise AssertionError("the engine was opened although everything is stored")


def test_an_interrupted_sampling_continues_to_the_same_answers(tmp_path: Path, engine: Engine) -> None:
    plan = plan_for(engine.model)
    with Store(tmp_path / "whole.sqlite", SampleSet) as store:
        whole = sample_prompts(PROMPTS, plan, store, sample_here(plan, lambda: engine))

    def stop(tick: Tick) -> None:
        if tick.done == 4:
            raise KeyboardInterrupt

    with Store(tmp_path / "torn.sqlite", SampleSet) as store:
        with pytest.raises(KeyboardInterrupt):
            sample_prompts(PROMPTS, plan, store, sample_here(plan, lambda: engine), stop)
        assert [count_missing([prompt], plan, store) for prompt in PROMPTS] == [0, 0, 0, 0, 1]
        assert sample_prompts(PROMPTS, plan, store, sample_here(plan, lambda: engine)) == whole
        assert sample_prompts(PROMPTS, plan, store, sample_here(plan, never)) == whole
    assert len({response.text for answers in whole for response in answers.responses}) > 3


def test_seed_weights_and_parameters_are_part_of_an_answers_identity(engine: Engine, tmp_path: Path) -> None:
    plan = plan_for(engine.model)
    other_weights = engine.model.model_copy(update={"revision": "other"})
    variants = [
        plan,
        plan_for(engine.model, seed=1),
        plan_for(other_weights),
        plan._replace(samples=4),
        plan._replace(sampler=sampler_digest(engine.model, SETTINGS, Sampling(max_new_tokens=7))),
    ]
    assert len({variant.key(PROMPTS[0]) for variant in variants}) == len(variants)
    # How many prompts are committed together is no part of what an answer is.
    assert plan._replace(prompts_per_batch=5).key(PROMPTS[0]) == plan.key(PROMPTS[0])
    # Nor is the id or a tag of the prompt.
    assert plan.key(PROMPTS[0].model_copy(update={"id": "x", "tags": ("new",)})) == plan.key(PROMPTS[0])


def response(text: str, index: int, prompt: Prompt = PROMPTS[0]) -> Response:
    return Response(prompt_key=prompt.key, text=text, finish="stop", tokens=1, sampler="s", seed=0, index=index)


texts = st.lists(st.sampled_from(["a", "b", "c", "d", " ", ""]), min_size=0, max_size=8)


@given(texts, st.sampled_from(["random", "all", "best_worst"]), st.integers(0, 5))
def test_pairs_are_of_different_answers_and_every_answer_is_accounted_for(
    words: list[str], pairing: Pairing, seed: int
) -> None:
    answers = [response(word, i) for i, word in enumerate(words)]
    pairs = pair_up(PROMPTS[0], answers, pairing, seed)
    kept = {word for word in words if word.strip()}
    assert {r.text for r in distinct(answers)} == kept
    assert all(pair.a.text != pair.b.text for pair in pairs)
    assert len({pair.key for pair in pairs}) == len(pairs)
    expected = len(kept) // 2 if pairing == "random" else len(kept) * (len(kept) - 1) // 2
    assert len(pairs) == expected
    counts = count_pairs([SampleSet(prompt_key=PROMPTS[0].key, responses=tuple(answers))], pairs)
    assert counts.responses == len(kept) + counts.duplicates + counts.empty
    assert counts.prompts_without_pair == (0 if pairs else 1)


def test_random_pairing_uses_an_answer_once_and_follows_the_seed() -> None:
    answers = [response(word, i) for i, word in enumerate("abcdefgh")]
    pairs = [pair_up(PROMPTS[0], answers, "random", seed) for seed in range(20)]
    for drawn in pairs:
        used = [r.index for pair in drawn for r in (pair.a, pair.b)]
        assert sorted(used) == list(range(8))
    assert pairs[0] == pair_up(PROMPTS[0], answers, "random", 0)
    assert len({tuple(pair.key for pair in drawn) for drawn in pairs}) > 10
