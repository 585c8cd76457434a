"""The change of a behaviour in two runs, prompt by prompt: difference of the changes, paired over the shared prompts.

A change is what training did in a run: the trained policy's mean less the reference's, of a win rate its distance
from one half. A prompt is the unit (reports/statistics.py); only prompts that both runs have answered count.
P = prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from constitution.diff import matched
from constitution.identity import seed_from
from constitution.model import Principle
from generate.records import Prompt, Response
from judge.by_rules import check_score
from reports.behaviour import EVEN, interval_alone
from reports.compare.records import BehaviourRow, Kind, LeftOut, Side
from reports.data import HeldOutAnswers
from reports.features import FEATURES
from reports.settings import BehaviourSettings
from reports.statistics import Interval, Values, holm, is_constant, p_value, paired_bootstrap, smallest_detectable

Changes = Mapping[str, float]
"""Prompt key -> the change on it."""


class Found(NamedTuple):
    """Rows without their Holm-adjusted p and verdict, and what could not be compared."""

    rows: list[BehaviourRow]
    left_out: list[LeftOut]


class _Asked(NamedTuple):
    """A behaviour to be compared, with its changes in both runs."""

    kind: Kind
    id: str
    label: str
    scale: str
    first: Changes
    other: Changes
    failed: int = 0


def compare_behaviours(first: Side, other: Side) -> Found:
    """Every behaviour that both runs have measured in the same way, in the units of the change."""
    if first.answers is None or other.answers is None:
        return Found([], [])
    ours, theirs = _by_prompt(first.answers), _by_prompt(other.answers)
    asked, left_out = _principles(first, other, ours, theirs)
    for feature in FEATURES:
        before, after = (_mean_changes(answers, _measure(feature.measure)) for answers in (ours, theirs))
        asked.append(_Asked("feature", feature.id, feature.label, feature.kind, before, after))
    return Found([_row(one, first.settings, first.seed) for one in asked], left_out)


def _by_prompt(answers: Sequence[HeldOutAnswers]) -> dict[str, HeldOutAnswers]:
    return {each.prompt.key: each for each in answers}


def _principles(
    first: Side, other: Side, ours: Mapping[str, HeldOutAnswers], theirs: Mapping[str, HeldOutAnswers]
) -> tuple[list[_Asked], list[LeftOut]]:
    """By the judge's win rates where both were measured alike; else by the principle's own check, if it has one."""
    asked, left_out = [], []
    for old, new in _couples(first, other):
        why = _why_not(first, other, old, new)
        shown = new or old
        assert shown is not None
        if why is None:
            assert old is not None
            assert new is not None
            before, after = _win_rates(ours, old.id), _win_rates(theirs, new.id)
            failed = _failed(ours, theirs, old.id) + _failed(theirs, ours, new.id)
            asked.append(_Asked("principle", new.id, f"win rate under {new.id}", "share", before, after, failed))
            continue
        left_out.append(LeftOut(what=f"win rate under {shown.id}", why=why))
        if shown.check is not None:
            before, after = (_mean_changes(answers, _check(shown)) for answers in (ours, theirs))
            label = f"own check of {shown.id} (higher is better)"
            asked.append(_Asked("check", shown.id, label, "number", before, after))
    return asked, left_out


def _couples(first: Side, other: Side) -> Iterator[tuple[Principle | None, Principle | None]]:
    pairs = matched(first.constitution, other.constitution)
    for principle in other.constitution.principles:
        yield pairs.get(principle.id), principle
    taken = {principle.id for principle in pairs.values()}
    yield from ((principle, None) for principle in first.constitution.principles if principle.id not in taken)


def _why_not(first: Side, other: Side, old: Principle | None, new: Principle | None) -> str | None:
    """Why the two win rates are not of the same thing; None if they are."""
    if old is None or new is None:
        return f"the principle is in `{(first if new is None else other).name}` alone"
    if first.measured is None or other.measured is None:
        return "what they were judged by is not known: a run folder without .stamps/"
    keys = first.measured.principles.get(old.id), other.measured.principles.get(new.id)
    if None in keys:
        return "not measured in both runs"
    if keys[0] != keys[1]:
        return "the principle has another meaning in each run"
    if first.measured.judge != other.measured.judge:
        return "the answers were compared by different judges, or with different calibrations"
    return None


def _win_rates(answers: Mapping[str, HeldOutAnswers], principle: str) -> Changes:
    """Distance from one half of the mean over the prompt's valid comparisons; identical answers count one half."""
    valid = {key: [p for p in each.preferences.get(principle, ()) if p is not None] for key, each in answers.items()}
    return {key: float(np.mean(ps)) - EVEN for key, ps in valid.items() if ps}


def _failed(answers: Mapping[str, HeldOutAnswers], others: Mapping[str, HeldOutAnswers], principle: str) -> int:
    shared = (each for key, each in answers.items() if key in others)
    return sum(p is None for each in shared for p in each.preferences.get(principle, ()))


Measure = Callable[[Prompt, Response], "float | None"]


def _measure(of_answer: Callable[[Response], float]) -> Measure:
    return lambda prompt, answer: of_answer(answer)


def _check(principle: Principle) -> Measure:
    return lambda prompt, answer: check_score(principle, prompt, answer)


def _mean_changes(answers: Mapping[str, HeldOutAnswers], measure: Measure) -> Changes:
    """Mean over the trained policy's answers less that over the reference's, where the measure applies."""
    found = {}
    for key, each in answers.items():
        before, after = (
            [value for one in side if (value := measure(each.prompt, one)) is not None]
            for side in (each.before, each.after)
        )
        if before and after:
            found[key] = float(np.mean(after)) - float(np.mean(before))
    return found


def _row(asked: _Asked, settings: BehaviourSettings, seed: int) -> BehaviourRow:
    keys = sorted(asked.first.keys() & asked.other.keys())
    first_P = np.array([asked.first[key] for key in keys])
    other_P = np.array([asked.other[key] for key in keys])
    apart_P = np.sort(other_P - first_P)
    seed = seed_from(seed, "compare", asked.kind, asked.id)

    def over_prompts(values_P: Values) -> Interval | None:
        return paired_bootstrap(values_P, settings.resamples, settings.level, seed) if keys else None

    return BehaviourRow.model_validate(
        {
            "kind": asked.kind,
            "id": asked.id,
            "label": asked.label,
            "scale": asked.scale,
            "first": over_prompts(first_P),
            "other": over_prompts(other_P),
            "difference": over_prompts(apart_P),
            "detectable": smallest_detectable(apart_P, settings.level),
            "p": p_value(apart_P, 0.0),
            "p_holm": None,
            "failed": asked.failed,
            "outcome": "unmeasured",
            "verdict": "",
        }
    )


def judged_together(rows: Sequence[BehaviourRow], level: float) -> list[BehaviourRow]:
    """With p adjusted for all of these rows, and what follows from it."""
    adjusted = holm({str(place): row.p for place, row in enumerate(rows)})
    return [_judged(row, adjusted[str(place)], level) for place, row in enumerate(rows)]


def _judged(row: BehaviourRow, p_holm: float | None, level: float) -> BehaviourRow:
    found = row.difference
    if found is None or found.low is None or found.high is None or p_holm is None:
        verdict = "not measured: fewer than two shared prompts have it in both runs"
        return row.model_copy(update={"outcome": "unmeasured", "verdict": verdict})
    if found.excludes_zero and p_holm <= 1 - level:
        outcome = "higher" if found.low > 0 else "lower"
        return row.model_copy(update={"p_holm": p_holm, "outcome": outcome, "verdict": f"{outcome} in the other run"})
    verdict = f"no detectable difference{_would_show(row)}"
    if found.excludes_zero and not is_constant(np.array([found.low, found.high])):
        verdict += f"; {interval_alone(p_holm, 'rows')}"
    return row.model_copy(update={"p_holm": p_holm, "outcome": "undetected", "verdict": verdict})


def _would_show(row: BehaviourRow) -> str:
    if row.detectable is None:
        return "; the prompts do not differ, so no detectable size can be stated"
    size = f"{100 * row.detectable:.1f} points" if row.scale == "share" else f"{row.detectable:.2g}"
    return f"; one of at least {size} would have been detected"
