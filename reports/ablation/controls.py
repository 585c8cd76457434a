"""Principles whose effect is known beforehand, planted beside the real ones: does the report get them right?

A sham votes with a real principle's confidence, but a coin decides for which answer. Whatever a policy trained with it
does, its margin along coins that were thrown for held-out pairs is zero on average: the effect of leaving it out must
cover zero. (On the margins of the others it has an effect: whatever weight it has, they lack.)

A duplicate is a real principle entered twice with half the weight each. Both copies together give the very same labels
as the principle itself, and leaving out the one gives the same as leaving out the other: whatever is credited to the
one is credited to the other, and together they have what the principle has. Leaving out one copy alone still leaves the
other: only half of the weight is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

from constitution.model import Constitution
from judge.label_sets import compare_labels, real_set, training_labels
from judge.records import Label
from reports.ablation.behaviours import HeldPair, Results, Table, sham_table
from reports.ablation.effects import Effect, effects
from reports.ablation.plan import Plan, twice
from reports.ablation.records import Control
from reports.settings import BehaviourSettings
from reports.text import number, plural

BOTH, ONE, CREDIT = "leaving out both", "leaving out one copy", "credit of each copy"


def sham_control(
    plan: Plan, results: Results, held: Sequence[HeldPair], settings: BehaviourSettings, seed: int
) -> Control | None:
    """The sham's own margin, with it and without; None if none was planted."""
    (variant,) = plan.of_kind("sham") or (None,)
    if variant is None:
        return None
    (sham,) = variant.label_set.planted
    table = sham_table([plan.variants[0], variant], sham, plan.seeds, results, held)
    if table is None:
        said = f"{sham.of} voted on no held-out pair"
        return Control(kind="sham", of=sham.of, effects={}, passed=None, verdict=said)
    difference = table.values[variant.name] - table.values[plan.variants[0].name]
    (effect,) = effects([difference], table.pairs, settings.resamples, settings.level, seed)
    return Control(
        kind="sham", of=sham.of, effects={sham.id: effect}, passed=effect.covers_zero, verdict=_sham_words(effect)
    )


def _sham_words(effect: Effect) -> str:
    if effect.covers_zero is None:
        return "fewer than two held-out prompts"
    if effect.covers_zero:
        return f"no effect found, as it must be; one of {number(effect.detectable, 3)} would have been detected"
    return (
        "an effect was found where there is none: about one sham in twenty has one at 95 %; with other seeds it should "
        "go away, else trust no interval here"
    )


def duplicate_control(
    plan: Plan,
    tables: Sequence[Table],
    constitution: Constitution,
    labels: Sequence[Label],
    settings: BehaviourSettings,
    seed: int,
) -> Control | None:
    """The labels with both copies against the run's, those without the one against those without the other, and what
    one copy and both do to the principle's own margin. `labels` are of the pairs that are trained on."""
    (half,) = plan.of_kind("half") or (None,)
    if half is None or plan.model is None:
        return None
    full = real_set(constitution)
    double = twice(full, plan.model)
    real, both = (training_labels(labels, constitution, one) for one in (full, double))
    ones = [training_labels(labels, constitution, double.without(one)) for one in (plan.model, double.planted[0].id)]
    between, split = compare_labels(real, both), compare_labels(*ones)
    differing = between.changed + between.vanished + between.appeared
    uneven = split.changed + split.vanished + split.appeared
    found = _duplicate_effects(plan, half.name, tables, settings, seed)
    verdict = (
        f"both copies together change {differing} of {plural(between.pairs, 'label')}, and leaving out the one or the "
        f"other differs in {uneven} of {split.pairs}: "
    ) + ("the credit splits evenly" if not differing and not uneven else "the credit does NOT split evenly")
    return Control(kind="duplicate", of=plan.model, effects=found, passed=not differing and not uneven, verdict=verdict)


def _duplicate_effects(
    plan: Plan, half: str, tables: Sequence[Table], settings: BehaviourSettings, seed: int
) -> dict[str, Effect]:
    """On the principle's own margin. With the others always there, either copy's Shapley value is half of both's."""
    own = next(
        (table for table in tables if (table.behaviour.id, table.behaviour.kind) == (plan.model, "margin")), None
    )
    without = plan.lacking(plan.model) if plan.model else None
    if own is None or without is None:
        return {}
    whole = own.values[plan.variants[0].name]
    both, one = whole - own.values[without.name], whole - own.values[half]
    names = {BOTH: both, ONE: one, CREDIT: both / 2}
    found = effects(list(names.values()), own.pairs, settings.resamples, settings.level, seed)
    return dict(zip(names, found, strict=True))
