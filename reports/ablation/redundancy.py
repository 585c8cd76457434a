"""Principles that hide each other: leave out one, and the other still does its work.

Where both were left out together, that is seen: the two together do more than the sum of each alone. Where they were
not, only their votes can tell, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from judge.records import Label
from judge.resampling import Floats, Score, percentile_score
from reports.ablation.behaviours import Table, lean
from reports.ablation.effects import Effect, effects
from reports.ablation.plan import Plan, Variant
from reports.ablation.records import Redundancy
from reports.settings import BehaviourSettings
from reports.text import number

AGREE = 0.7
"""Lower end of the votes' cosine above which two principles may hide each other."""


def redundancies(
    plan: Plan, tables: Sequence[Table], labels: Sequence[Label], prompts: Sequence[str], settings: BehaviourSettings,
    seed: int,
) -> list[Redundancy]:  # fmt: skip
    """Every two principles that voted on some pair together; `labels` are of the pairs that are trained on."""
    found = []
    for first, second in combinations(plan.players, 2):
        agreement = vote_cosine(labels, prompts, first, second)
        if agreement.n:
            trained = _together(plan, first, second)
            interaction = _interaction(trained, tables, (first, second), settings, seed) if trained else {}
            found.append(_verdict(first, second, agreement, interaction))
    return found


def vote_cosine(labels: Sequence[Label], prompts: Iterable[str], first: str, second: str) -> Score:
    """sum x y / sqrt(sum x^2 sum y^2) of the votes 2p - 1 of both, over the pairs on which both voted."""
    rows, clusters = [], []
    for label, prompt in zip(labels, prompts, strict=True):
        x, y = lean(label, first), lean(label, second)
        if x is not None and y is not None:
            rows.append((x * y, x * x, y * y))
            clusters.append(prompt)
    return percentile_score(np.array(rows, dtype=np.float64).reshape(-1, 3), clusters, _cosine)


def _cosine(totals_D_3: Floats) -> Floats:
    size_D = np.sqrt(totals_D_3[:, 1] * totals_D_3[:, 2])
    cosine_D: Floats = np.divide(totals_D_3[:, 0], size_D, out=np.full(len(totals_D_3), np.nan), where=size_D > 0)
    return cosine_D


def _together(plan: Plan, first: str, second: str) -> tuple[Variant, Variant, Variant, Variant] | None:
    """All, without the first, without the second, without both; None if one of them was not trained."""
    found = [plan.lacking(*ids) for ids in ((), (first,), (second,), (first, second))]
    there = [one for one in found if one is not None]
    return (there[0], there[1], there[2], there[3]) if len(there) == 4 else None


def _interaction(
    trained: tuple[Variant, Variant, Variant, Variant], tables: Sequence[Table], own: tuple[str, str],
    settings: BehaviourSettings, seed: int,
) -> dict[str, Effect]:  # fmt: skip
    whole, one, other, neither = (variant.name for variant in trained)
    found = {}
    for table in tables:
        if table.behaviour.kind == "margin" and table.behaviour.id in own:
            values = table.values[one] + table.values[other] - table.values[neither] - table.values[whole]
            (effect,) = effects([values], table.pairs, settings.resamples, settings.level, seed)
            found[table.behaviour.id] = effect
    return found


def _verdict(first: str, second: str, agreement: Score, interaction: dict[str, Effect]) -> Redundancy:
    if interaction:
        grown = {name: e for name, e in interaction.items() if e.low is not None and e.low > 0}
        hidden = bool(grown)
        more = "; ".join(f"{name} by {number(effect.estimate, 3)} more" for name, effect in grown.items())
        said = f"they hide each other: leaving out both moves {more} than the sum of leaving out each"
        verdict = (
            said if hidden else "no sign that they hide each other: both left out together is no more than the sum"
        )
        return _record(first, second, agreement, interaction, hidden, verdict)
    hidden = agreement.low is not None and agreement.low > AGREE
    said = "they may hide each other, as their votes agree" if hidden else "their votes do not agree so far"
    verdict = f"{said}; not left out together: `--without {first}+{second}` would tell"
    return _record(first, second, agreement, interaction, hidden, verdict)


def _record(
    first: str, second: str, agreement: Score, interaction: dict[str, Effect], hidden: bool, verdict: str
) -> Redundancy:
    return Redundancy(
        first=first,
        second=second,
        agreement=agreement,
        interaction=interaction,
        measured="retrained" if interaction else "votes",
        hidden=hidden,
        verdict=verdict,
    )
