"""What is trained on, in which order, how fast: pure functions of the pairs, the settings and the seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from constitution.identity import digest, seed_from
from train.settings import TrainSettings
from train.tokens import TokenPair


class Split(NamedTuple):
    """Pairs to train on and pairs kept out."""

    train: list[TokenPair]
    heldout: list[TokenPair]


def split(pairs: Sequence[TokenPair], fraction: float) -> Split:
    """Hold out `fraction` of the prompts (at least one, if it is above 0 and another is left): those of smallest
    digest.

    Which they are depends on the prompts' ids alone, not on seed, labels or order. Both parts come sorted by pair key.
    """
    out = heldout_prompts((tokens.pair.prompt_id for tokens in pairs), fraction)
    ordered = sorted(pairs, key=lambda tokens: tokens.pair.key)
    return Split(
        [tokens for tokens in ordered if tokens.pair.prompt_id not in out],
        [tokens for tokens in ordered if tokens.pair.prompt_id in out],
    )


def heldout_prompts(ids: Iterable[str], fraction: float) -> set[str]:
    """Which of the prompts are held out: see `split`."""
    prompts = sorted(set(ids), key=lambda prompt: digest("heldout", prompt=prompt))
    count = min(max(1, round(fraction * len(prompts))), len(prompts) - 1) if fraction > 0 and prompts else 0
    return set(prompts[:count])


def steps_per_epoch(pairs: int, settings: TrainSettings) -> int:
    """Optimizer steps of one pass; the last one may have fewer pairs."""
    return -(-pairs // settings.pairs_per_step)


def step_pairs(pairs: Sequence[TokenPair], settings: TrainSettings, seed: int, step: int) -> list[TokenPair]:
    """The pairs of step `step`, counted from 0. Each epoch is shuffled anew from the seed."""
    epoch, within = divmod(step, steps_per_epoch(len(pairs), settings))
    order = list(range(len(pairs)))
    random.Random(seed_from("order", seed, epoch)).shuffle(order)  # noqa: S311
    start = within * settings.pairs_per_step
    return [pairs[index] for index in order[start : start + settings.pairs_per_step]]


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """At step `step` of `steps`, counted from 0: a linear rise over the warm-up, then the schedule, never quite 0."""
    warmup = math.ceil(settings.warmup_ratio * steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / (steps - warmup)
    fall = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return settings.learning_rate * fall[settings.schedule]
