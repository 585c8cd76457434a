"""Prompts -> stored answers. Sampled a batch of prompts at a time; what is stored is never sampled again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from constitution.identity import digest, seed_from
from constitution.progress import Progress, Tick, silent
from constitution.record import Record
from constitution.store import Store
from generate.engine import Completion, Engine, ModelRef, Sampling
from generate.records import Prompt, Response
from generate.settings import EngineSettings


class SampleSet(Record):
    """All answers to one prompt that one request gave."""

    prompt_key: str
    """The prompt."""
    responses: tuple[Response, ...]
    """Its answers, in the order of sampling, duplicates included."""


class SamplePlan(NamedTuple):
    """What a sampling call is about: enough to name every answer before the model is loaded."""

    sampler: str
    samples: int
    sampling: Sampling
    seed: int
    prompts_per_batch: int

    def key(self, prompt: Prompt) -> str:
        """The store's key of this prompt's answers."""
        return digest("samples", prompt=prompt.key, sampler=self.sampler, n=self.samples, seed=self.seed)


def sampler_digest(model: ModelRef, engine: EngineSettings, sampling: Sampling) -> str:
    """Identity of a way to sample: the weights, the engine and its number format, the sampling parameters."""
    return digest(
        "sampler", revision=model.revision, engine=engine.type, dtype=engine.dtype, sampling=sampling.model_dump()
    )


def missing_prompts(prompts: Sequence[Prompt], plan: SamplePlan, store: Store[SampleSet]) -> list[Prompt]:
    """The prompts whose answers are not stored."""
    stored = store.get(plan.key(prompt) for prompt in prompts)
    return [prompt for prompt in prompts if plan.key(prompt) not in stored]


def sample_prompts(
    prompts: Sequence[Prompt],
    plan: SamplePlan,
    store: Store[SampleSet],
    engine: Callable[[], Engine],
    progress: Progress = silent,
    what: str = "sampling",
) -> list[SampleSet]:
    """Every prompt's answers, from the store where they are, else sampled and committed batch by batch.

    `engine` is called only if something is missing. Batches are cut from `prompts` before looking into the store, so a
    run that was killed goes on with the very batches, and therefore seeds, of an undisturbed one.
    """
    found = store.get(plan.key(prompt) for prompt in prompts)
    done = sum(plan.key(prompt) in found for prompt in prompts)
    progress(Tick(what, done, len(prompts)))
    for start in range(0, len(prompts), plan.prompts_per_batch):
        batch = [p for p in prompts[start : start + plan.prompts_per_batch] if plan.key(p) not in found]
        if not batch:
            continue
        sampled = _sample_batch(batch, plan, engine())
        store.put(sampled)
        found.update(sampled)
        done += len(batch)
        progress(Tick(what, done, len(prompts)))
    return [found[plan.key(prompt)] for prompt in prompts]


def _sample_batch(batch: list[Prompt], plan: SamplePlan, engine: Engine) -> dict[str, SampleSet]:
    seed = seed_from(plan.seed, plan.sampler, [prompt.key for prompt in batch])
    answers = engine.sample([prompt.conversation for prompt in batch], plan.samples, plan.sampling, seed)
    return {
        plan.key(prompt): SampleSet(
            prompt_key=prompt.key,
            responses=tuple(_response(prompt, c, i, plan.sampler, seed) for i, c in enumerate(completions)),
        )
        for prompt, completions in zip(batch, answers, strict=True)
    }


def _response(prompt: Prompt, completion: Completion, index: int, sampler: str, seed: int) -> Response:
    return Response(
        prompt_key=prompt.key,
        text=completion.text,
        finish=completion.finish,
        tokens=completion.tokens,
        sampler=sampler,
        seed=seed,
        index=index,
    )
