"""Behaviour before and after training, on prompts that nothing was trained on.

A principle's row is the win rate of the trained model against the original: the mean over prompts of the mean over
samples of the judge's p(after_i is better than before_i). It is no count of wins: where the judge is soft, so is it. A
feature's row is the paired difference of its means. The prompt is the
unit of every interval (reports/statistics.py). A row moved where its whole interval lies on one side of no change and
its p-value agrees after Holm's adjustment for all rows of its kind. P = prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from constitution.identity import seed_from
from constitution.record import Record
from generate.records import Prompt, Response
from reports.features import FEATURES, Feature
from reports.settings import BehaviourSettings
from reports.statistics import Interval, Values, few_prompts, holm, p_value, paired_bootstrap, smallest_detectable

EVEN = 0.5
Answers: TypeAlias = Mapping[str, Sequence[Response]]
"""Prompt key -> its answers, sample by sample."""
Preferences: TypeAlias = Mapping[str, Sequence[float | None]]
"""Prompt key -> p(after_i better than before_i) sample by sample; None where the judge gave no valid preference. A
prompt outside the principle's scope has no entry."""

Outcome = Literal["intended", "against", "rose", "fell", "undetected", "unmeasured"]


class PrincipleRow(Record):
    """One principle: the judge's mean probability that the trained model's answer is the better one under it."""

    id: str
    """The principle's id."""
    win_rate: Interval | None
    """Mean over prompts of that probability, no share of counted wins; 0.5 when nothing changed; None when nothing
    could be judged."""
    comparisons: int
    """Comparisons that count: judged, or identical."""
    identical: int
    """Comparisons of two identical texts: exactly 0.5 each, and part of `comparisons`."""
    failed: int
    """Comparisons without a valid preference: left out, never counted as even."""
    detectable: float | None
    """The distance from 0.5 that this number of prompts finds with 80 % power; None where the spread is unknown."""
    p: float | None
    """Two-sided p-value (Student's t over prompts) against 0.5."""
    p_holm: float | None
    """The same, adjusted for all principles (Holm)."""
    outcome: Outcome
    """The verdict as one word, for machines."""
    verdict: str
    """The verdict in words."""


class FeatureRow(Record):
    """One plain feature before and after."""

    id: str
    """The feature's name in reports/features.py."""
    label: str
    """What it is, in words."""
    kind: Literal["share", "number"]
    """A share from 0 to 1, or a number with its own unit."""
    before: float
    """Mean over prompts of the original model's answers."""
    after: float
    """Mean over prompts of the trained model's answers."""
    difference: Interval
    """After minus before, paired by prompt."""
    detectable: float | None
    """The difference that this number of prompts finds with 80 % power."""
    p: float | None
    """Two-sided p-value (Student's t over prompts) of no difference."""
    p_holm: float | None
    """The same, adjusted for all features (Holm)."""
    outcome: Outcome
    """The verdict as one word, for machines."""
    verdict: str
    """The verdict in words."""


class BehaviourTable(Record):
    """Everything that was measured of the change."""

    prompts: int
    """Held-out prompts."""
    samples: int
    """Answers to each prompt from each model."""
    level: float
    """Level of every interval."""
    principles: tuple[PrincipleRow, ...]
    """One row for each principle, in the constitution's order."""
    features: tuple[FeatureRow, ...]
    """One row for each feature of reports/features.py."""


def behaviour_table(
    prompts: Sequence[Prompt],
    before: Answers,
    after: Answers,
    preferences: Mapping[str, Preferences],
    settings: BehaviourSettings,
    seed: int,
) -> BehaviourTable:
    """Compare two models' answers to the same held-out prompts.

    `before` and `after` hold settings.samples answers for every prompt; the i-th of one is compared with the i-th of
    the other. `preferences` maps each principle's id to what the judge said; identical texts are 0.5 whatever it says.
    """
    keys = [prompt.key for prompt in prompts]
    assert len(set(keys)) == len(keys), "held-out prompts are distinct"
    assert all(len(before[k]) == len(after[k]) == settings.samples for k in keys), "as many answers after as before"
    rows = [_principle_row(i, keys, before, after, preferences[i], settings, seed) for i in preferences]
    features = [_feature_row(feature, keys, before, after, settings, seed) for feature in FEATURES]
    adjusted = holm({row.id: row.p for row in rows})
    adjusted_features = holm({row.id: row.p for row in features})
    found = [_judged(row.win_rate, row.detectable, adjusted[row.id], PRINCIPLES, "share") for row in rows]
    changed = [
        _judged(row.difference, row.detectable, adjusted_features[row.id], CHANGES, row.kind) for row in features
    ]
    return BehaviourTable(
        prompts=len(keys),
        samples=settings.samples,
        level=settings.level,
        principles=tuple(row.model_copy(update=one._asdict()) for row, one in zip(rows, found, strict=True)),
        features=tuple(row.model_copy(update=one._asdict()) for row, one in zip(features, changed, strict=True)),
    )


def caution(table: BehaviourTable) -> str:
    """What few prompts do to the table's intervals; empty where there are enough."""
    rows = [row.win_rate.n for row in table.principles if row.win_rate]
    return few_prompts([table.prompts, *rows])


class _Comparisons(NamedTuple):
    """One principle's comparisons, tallied. `means_P`: the mean over samples of every prompt that has one."""

    means_P: Values
    counted: int
    identical: int
    failed: int


def _compare(keys: Iterable[str], before: Answers, after: Answers, preferences: Preferences) -> _Comparisons:
    means: list[float] = []
    counted = identical = failed = 0
    for key in keys:
        if key not in preferences:
            continue
        same = [b.text == a.text for b, a in zip(before[key], after[key], strict=True)]
        sides = [EVEN if s else p for s, p in zip(same, preferences[key], strict=True)]
        valid = [p for p in sides if p is not None]
        counted += len(valid)
        identical += sum(same)
        failed += len(sides) - len(valid)
        if valid:
            means.append(float(np.mean(valid)))
    return _Comparisons(np.array(means), counted, identical, failed)


def _principle_row(
    principle: str,
    keys: Iterable[str],
    before: Answers,
    after: Answers,
    preferences: Preferences,
    settings: BehaviourSettings,
    seed: int,
) -> PrincipleRow:
    compared = _compare(keys, before, after, preferences)
    effect = _effect(compared.means_P, EVEN, settings, seed_from(seed, principle))
    return PrincipleRow(
        id=principle,
        win_rate=effect.interval,
        comparisons=compared.counted,
        identical=compared.identical,
        failed=compared.failed,
        detectable=effect.detectable,
        p=effect.p,
        p_holm=None,
        outcome="unmeasured",
        verdict="",
    )


def _feature_row(
    feature: Feature, keys: Sequence[str], before: Answers, after: Answers, settings: BehaviourSettings, seed: int
) -> FeatureRow:
    before_P = np.array([np.mean([feature.measure(answer) for answer in before[key]]) for key in keys])
    after_P = np.array([np.mean([feature.measure(answer) for answer in after[key]]) for key in keys])
    effect = _effect(after_P - before_P, 0.0, settings, seed_from(seed, feature.id))
    assert effect.interval is not None, "behaviour is measured on at least one prompt"
    return FeatureRow(
        id=feature.id,
        label=feature.label,
        kind=feature.kind,
        before=float(before_P.mean()),
        after=float(after_P.mean()),
        difference=effect.interval,
        detectable=effect.detectable,
        p=effect.p,
        p_holm=None,
        outcome="unmeasured",
        verdict="",
    )


class _Effect(NamedTuple):
    interval: Interval | None
    detectable: float | None
    p: float | None


def _effect(values_P: Values, null: float, settings: BehaviourSettings, seed: int) -> _Effect:
    """What the prompts' values say against `null`; the verdict needs all rows."""
    if not values_P.size:
        return _Effect(None, None, None)
    values_P = np.sort(values_P)  # so that not even rounding depends on the order of the prompts
    interval = paired_bootstrap(values_P, settings.resamples, settings.level, seed)
    return _Effect(interval, smallest_detectable(values_P, settings.level), p_value(values_P, null))


class _Family(NamedTuple):
    """What is adjusted together: its rows' value without a change, and the outcomes above and below it."""

    null: float
    above: Outcome
    below: Outcome
    rows: str


PRINCIPLES = _Family(EVEN, "intended", "against", "principles")
CHANGES = _Family(0.0, "rose", "fell", "features")


class _Judged(NamedTuple):
    """The last fields of a row."""

    p_holm: float | None
    outcome: Outcome
    verdict: str


def _judged(
    interval: Interval | None,
    detectable: float | None,
    p_holm: float | None,
    family: _Family,
    kind: Literal["share", "number"],
) -> _Judged:
    outcome = _outcome(interval, p_holm, family)
    verdict = _verdict(outcome, detectable, kind)
    if outcome == "undetected" and p_holm is not None and interval is not None and interval.excludes(family.null):
        verdict += f"; {interval_alone(p_holm, family.rows)}"
    return _Judged(p_holm, outcome, verdict)


def interval_alone(p_holm: float, rows: str) -> str:
    """Why an effect is not found although its interval excludes none: `rows` is what was tested together."""
    return (
        f'its own interval excludes "no change", but with all {rows} tested together that may be chance '
        f"(p = {p_holm:.2g} after Holm's adjustment)"
    )


def _outcome(interval: Interval | None, p_holm: float | None, family: _Family) -> Outcome:
    """The side of the null on which the whole interval lies, where the adjusted p-value agrees."""
    if interval is None or interval.low is None or p_holm is None:
        return "unmeasured"
    if p_holm > 1 - interval.level or not interval.excludes(family.null):
        return "undetected"
    return family.above if interval.low > family.null else family.below


def _verdict(outcome: Outcome, detectable: float | None, kind: Literal["share", "number"]) -> str:
    words = {
        "intended": "moved as intended",
        "against": "moved against",
        "rose": "rose",
        "fell": "fell",
        "unmeasured": "not measured: fewer than two prompts with a valid judgement",
    }
    if outcome in words:
        return words[outcome]
    if detectable is None:
        return "no detectable effect; the prompts do not differ, so no detectable size can be stated"
    size = f"{100 * detectable:.1f} percentage points" if kind == "share" else f"{detectable:.2g}"
    return f"no detectable effect; an effect of at least {size} would have been detected"
