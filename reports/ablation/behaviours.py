"""From retrainings to tables: each behaviour of each label set as one value a seed and prompt.

Shapes: S seeds, N held-out pairs, P prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from judge.label_sets import Planted, with_planted
from judge.records import Label
from reports.ablation.plan import Plan, Variant
from reports.ablation.records import Behaviour, Retrained
from reports.statistics import Values

Results = Mapping[tuple[str, int], Retrained]
"""(variant's name, seed) -> what came of it."""


class HeldPair(NamedTuple):
    """A held-out pair: its key, its prompt's id, and the run's label, which has every principle's vote."""

    key: str
    prompt: str
    label: Label


class Table(NamedTuple):
    """One behaviour: a value a seed and prompt for every label set, by the variant's name."""

    behaviour: Behaviour
    pairs: int
    values: dict[str, Values]


def margin_tables(plan: Plan, results: Results, held: Sequence[HeldPair], principles: Sequence[str]) -> list[Table]:
    """The held-out margin of every principle that voted on held-out pairs."""
    found = []
    for principle in principles:
        behaviour = Behaviour(id=principle, kind="margin", label=f"held-out margin along {principle}")
        voted = [pair for pair in held if lean(pair.label, principle) is not None]
        if voted:
            found.append(_margins(plan.variants, plan.seeds, results, voted, behaviour, lambda label, seed: label))
    return found


def sham_table(variants: Sequence[Variant], sham: Planted, seeds: Sequence[int], results: Results,
               held: Sequence[HeldPair]) -> Table | None:  # fmt: skip
    """The margin along the sham's own coin, thrown anew at each seed; None where its model did not vote."""
    behaviour = Behaviour(id=sham.id, kind="margin", label=f"held-out margin along {sham.id}")
    voted = [pair for pair in held if lean(pair.label, sham.of) is not None]

    def tossed(label: Label, seed: int) -> Label:
        return with_planted(label, [sham.model_copy(update={"seed": seed})])

    return _margins(variants, seeds, results, voted, behaviour, tossed) if voted else None


def lean(label: Label, principle: str) -> float | None:
    """2 p_k - 1 of one principle on one pair; None where it did not vote."""
    return next((2 * share.p - 1 for share in label.shares if share.principle == principle), None)


def _margins(
    variants: Sequence[Variant],
    seeds: Sequence[int],
    results: Results,
    voted: Sequence[HeldPair],
    behaviour: Behaviour,
    label_at: Callable[[Label, int], Label],
) -> Table:
    lean_S_N = np.array([[lean(label_at(pair.label, seed), behaviour.id) for pair in voted] for seed in seeds], float)
    prompts = [pair.prompt for pair in voted]

    def values(variant: Variant) -> Values:
        h_S_N = np.array([[results[variant.name, seed].h[pair.key] for pair in voted] for seed in seeds])
        return by_prompt(lean_S_N * h_S_N, prompts)

    return Table(behaviour, len(voted), {variant.name: values(variant) for variant in variants})


def by_prompt(values_S_N: Values, prompts: Sequence[str]) -> Values:
    """Pairs as prompts [S, P], prompts by name: the mean over prompts is the mean over pairs, and the spread that of
    the pairs' mean with prompts drawn (the linearised ratio; Cochran 1977, section 9).
    """
    _, index_N = np.unique(np.asarray(prompts), return_inverse=True)
    count = int(index_N.max()) + 1
    mean_S_1 = values_S_N.mean(axis=1, keepdims=True)
    sums_S_P = np.stack([np.bincount(index_N, row, minlength=count) for row in values_S_N - mean_S_1])
    spread_S_P: Values = mean_S_1 + sums_S_P * count / len(prompts)
    return spread_S_P


def answer_tables(plan: Plan, results: Results, behaviours: Sequence[Behaviour], answers_each: int) -> list[Table]:
    """The sampled behaviours, over the prompts that have them in every retraining."""
    found = []
    for behaviour in behaviours:
        rows = [result.answers.get(behaviour.id, {}) for result in results.values()]
        prompts = sorted(set(rows[0]).intersection(*rows[1:])) if rows else []
        if prompts:
            values = {
                variant.name: np.array(
                    [[results[variant.name, seed].answers[behaviour.id][p] for p in prompts] for seed in plan.seeds]
                )
                for variant in plan.variants
            }
            found.append(Table(behaviour, len(prompts) * answers_each, values))
    return found
