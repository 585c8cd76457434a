"""Prompts -> stored answers. Sampled a batch of prompts at a time; what is stored is never sampled again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, TypeAlias

from constitution.chunks import batched
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


Sampler: TypeAlias = Callable[[Iterable[list[Prompt]]], "Generator[dict[str, SampleSet]]"]
"""How batches of prompts become answers by their keys: here, or elsewhere, in whatever order they come."""


def count_missing(prompts: Iterable[Prompt], plan: SamplePlan, store: Store[SampleSet]) -> int:
    """How many prompts have no stored answers."""
    return sum(len(batch) for batch in missing_batches(prompts, plan, store))


def sample_missing(
    prompts: Iterable[Prompt],
    plan: SamplePlan,
    store: Store[SampleSet],
    sampler: Sampler,
    progress: Progress = silent,
    what: str = "sampling",
) -> None:
    """Sample the answers that are not stored, committing each batch as it comes.

    `prompts` is gone through three times, a batch at a time. Batches are cut from it before looking into the store, so
    a run that was killed goes on with the very batches, and therefore seeds, of an undisturbed one.
    """
    total = sum(1 for _ in prompts)
    done = total - count_missing(prompts, plan, store)
    progress(Tick(what, done, total))
    tokens = 0
    with closing(sampler(missing_batches(prompts, plan, store))) as answers:
        for sampled in answers:
            store.put(sampled)
            done += len(sampled)
            tokens += sum(answer.tokens for answers_of in sampled.values() for answer in answers_of.responses)
            progress(Tick(what, done, total, tokens=tokens))


def missing_batches(prompts: Iterable[Prompt], plan: SamplePlan, store: Store[SampleSet]) -> Iterator[list[Prompt]]:
    """The prompts without stored answers, as they are sampled together."""
    for batch in batched(prompts, plan.prompts_per_batch):
        stored = store.get(plan.key(prompt) for prompt in batch)
        if missing := [prompt for prompt in batch if plan.key(prompt) not in stored]:
            yield missing


def sample_here(plan: SamplePlan, engine: Callable[[], Engine]) -> Sampler:
    """In this process, one batch after the other. `engine` is called only if something is missing."""
    return lambda batches: (sample_batch(batch, plan, engine()) for batch in batches)


def stored_answers(
    prompts: Iterable[Prompt], plan: SamplePlan, store: Store[SampleSet]
) -> Iterator[tuple[Prompt, SampleSet]]:
    """Each prompt with its stored answers, read a batch at a time. All of them must be there."""
    for batch in batched(prompts, plan.prompts_per_batch):
        found = store.get(plan.key(prompt) for prompt in batch)
        for prompt in batch:
            yield prompt, found[plan.key(prompt)]


def sample_prompts(
    prompts: Sequence[Prompt],
    plan: SamplePlan,
    store: Store[SampleSet],
    sampler: Sampler,
    progress: Progress = silent,
    what: str = "sampling",
) -> list[SampleSet]:
    """Every prompt's answers in one list, those that are missing sampled first."""
    sample_missing(prompts, plan, store, sampler, progress, what)
    return [answers for _, answers in stored_answers(prompts, plan, store)]


def sample_batch(batch: Sequence[Prompt], plan: SamplePlan, engine: Engine) -> dict[str, SampleSet]:
    """The answers to these prompts, in one call of the engine whose seed they determine."""
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
