"""Stored answers -> pairs. Answers of one prompt that are equal or empty are dropped and counted, never paired."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from constitution.identity import seed_from
from constitution.record import Record
from generate.records import Pair, Prompt, Response
from generate.sampling import SampleSet

Pairing = Literal["random", "all", "best_worst"]


class PairCounts(Record):
    """What became of the sampled answers."""

    prompts: int
    """Prompts sampled."""
    responses: int
    """Answers sampled."""
    duplicates: int
    """Answers dropped because the same prompt had the same text already."""
    empty: int
    """Answers dropped because they had no visible text."""
    finished: int
    """Answers that the model ended itself; the others were cut at max_new_tokens."""
    prompts_without_pair: int
    """Prompts left with fewer than two different answers."""
    pairs: int
    """Pairs made."""
    imported: int = 0
    """Answers that were imported: not sampled, and how they ended is not known."""
    tokens: int = 0
    """Tokens generated for the answers; 0 where that is not known."""


def distinct(responses: Sequence[Response]) -> list[Response]:
    """The answers with visible text, each text once, in order of sampling."""
    first_with: dict[str, Response] = {}
    for response in responses:
        if response.text.strip():
            first_with.setdefault(response.text, response)
    return list(first_with.values())


def pair_up(prompt: Prompt, responses: Sequence[Response], pairing: Pairing, seed: int) -> list[Pair]:
    """The pairs of one prompt. `random`: disjoint, shuffled by `seed` and the prompt's key, an odd answer stays out;
    `all` and `best_worst`: every pair of answers (best and worst are known only after judging).
    """
    answers = distinct(responses)
    if pairing != "random":
        return [Pair(prompt=prompt, a=a, b=b) for a, b in combinations(answers, 2)]
    random.Random(seed_from("pairing", seed, prompt.key)).shuffle(answers)  # noqa: S311
    return [Pair(prompt=prompt, a=a, b=b) for a, b in zip(answers[0::2], answers[1::2], strict=False)]


def count_pairs(sets: Sequence[SampleSet], pairs: Sequence[Pair]) -> PairCounts:
    """The account of a generation: answers sampled = answers kept + duplicates + empty."""
    responses = [response for sample_set in sets for response in sample_set.responses]
    empty = sum(not response.text.strip() for response in responses)
    kept = sum(len(distinct(sample_set.responses)) for sample_set in sets)
    return PairCounts(
        prompts=len(sets),
        responses=len(responses),
        duplicates=len(responses) - empty - kept,
        empty=empty,
        finished=sum(response.finish == "stop" for response in responses),
        prompts_without_pair=len(sets) - len({pair.prompt.key for pair in pairs}),
        pairs=len(pairs),
        tokens=sum(response.tokens for response in responses),
    )
