"""All retrainings together -> the report's record. Pure; the same input gives the same report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from constitution.identity import seed_from
from constitution.model import Constitution
from judge.label_sets import compare_labels, training_labels
from judge.records import Label
from reports.ablation.behaviours import HeldPair, Results, Table, answer_tables, margin_tables
from reports.ablation.controls import duplicate_control, sham_control
from reports.ablation.effects import Effect, effects
from reports.ablation.plan import Plan, Variant
from reports.ablation.records import (
    AblationReport,
    Behaviour,
    Cell,
    LabelChange,
    Outcome,
    Reproduced,
    Shapley,
    ShapleyValue,
)
from reports.ablation.redundancy import redundancies
from reports.ablation.shapley import Design, design, subset_errors
from reports.settings import BehaviourSettings
from reports.statistics import holm
from reports.text import number

ONE_SEED = (
    "one seed: every interval is over held-out prompts alone and knows nothing of how much another order of the pairs "
    "and another adapter would change; `--seeds 3` would tell"
)
TWO_SEEDS = "two seeds tell little of how much seeds differ: with three or more the intervals are safer"
SAME_ENDING = "the pairs are those that the real run selected and trained on; selection is not done again"


class Evidence(NamedTuple):
    """What the report is made from."""

    run: str
    inputs: str
    steps: int
    constitution: Constitution
    plan: Plan
    results: Results
    trained: Sequence[Label]
    """The run's labels of the pairs that are trained on."""
    prompts: Sequence[str]
    """Their prompts' ids."""
    held: Sequence[HeldPair]
    undecided: Sequence[Label]
    """The run's labels that have no p though the pair could have been chosen."""
    sampled: Sequence[Behaviour]
    answers_each: int
    margin_of_run: float | None
    settings: BehaviourSettings
    seed: int
    notes: Sequence[str] = ()


def analyse(found: Evidence) -> AblationReport:
    """Every figure of the page."""
    plan, settings = found.plan, found.settings
    tables = margin_tables(plan, found.results, found.held, [p.id for p in found.constitution.principles])
    tables += answer_tables(plan, found.results, found.sampled, found.answers_each)
    margins = [table for table in tables if table.behaviour.kind == "margin"]
    seed = seed_from("ablation report", found.seed)
    controls = (
        sham_control(plan, found.results, found.held, settings, seed),
        duplicate_control(plan, tables, found.constitution, found.trained, settings, seed),
    )
    distinct = {result.key: result.seconds for result in found.results.values()}
    return AblationReport(
        run=found.run,
        inputs=found.inputs,
        rule=found.constitution.aggregation.rule,
        principles=plan.players,
        trained_pairs=len(found.trained),
        seeds=plan.seeds,
        steps=found.steps,
        retrainings=len(distinct),
        seconds=sum(distinct.values()),
        level=settings.level,
        resamples=settings.resamples,
        behaviours=tuple(table.behaviour for table in tables),
        cells=tuple(matrix(plan, tables, settings, seed)),
        labels=tuple(label_changes(found)),
        redundancy=tuple(redundancies(plan, margins, found.trained, found.prompts, settings, seed)),
        shapley=shapley_values(plan, tables, settings, seed),
        controls=tuple(control for control in controls if control is not None),
        reproduced=reproduced(found),
        notes=(*found.notes, *notes(plan)),
    )


def notes(plan: Plan) -> list[str]:
    """What holds for every figure."""
    by_seeds = {1: [ONE_SEED], 2: [TWO_SEEDS]}
    return [*by_seeds.get(len(plan.seeds), []), SAME_ENDING]


def matrix(plan: Plan, tables: Sequence[Table], settings: BehaviourSettings, seed: int) -> list[Cell]:
    """Each left-out group x each behaviour, Holm-adjusted over all of them."""
    left_out, whole = plan.of_kind("without"), plan.variants[0]
    raw: dict[str, tuple[Variant, Table, Effect]] = {}
    for table in tables:
        differences = [table.values[whole.name] - table.values[variant.name] for variant in left_out]
        for variant, effect in zip(
            left_out, effects(differences, table.pairs, settings.resamples, settings.level, seed), strict=True
        ):
            raw[f"{variant.name} {table.behaviour.id}"] = (variant, table, effect)
    adjusted = holm({name: effect.p for name, (_, _, effect) in raw.items()})
    return [
        _cell(plan, variant, table.behaviour, effect.model_copy(update={"p_holm": adjusted[name]}), settings.level)
        for name, (variant, table, effect) in raw.items()
    ]


def _cell(plan: Plan, variant: Variant, behaviour: Behaviour, effect: Effect, level: float) -> Cell:
    outcome = outcome_of(effect, level)
    ids = tuple(player for player in plan.players if player not in variant.kept)
    return Cell(left_out=ids, behaviour=behaviour.id, effect=effect, outcome=outcome, verdict=verdict(outcome, effect))


def outcome_of(effect: Effect, level: float) -> Outcome:
    """Found where the interval leaves zero out and the adjusted p-value agrees."""
    p = effect.p if effect.p_holm is None else effect.p_holm
    if effect.covers_zero is None or p is None:
        return "unmeasured"
    if effect.covers_zero or p > 1 - level:
        return "undetected"
    return "raises" if effect.estimate > 0 else "lowers"


def verdict(outcome: Outcome, effect: Effect) -> str:
    """The outcome in words; what was not found comes with what would have been."""
    if outcome in ("raises", "lowers"):
        return outcome
    if outcome == "unmeasured":
        return "not measured: fewer than two held-out prompts"
    if effect.detectable is None:
        return "no detectable effect; the values do not differ, so no detectable size can be stated"
    return f"no detectable effect; one of at least {number(effect.detectable, 3)} would have been detected"


def label_changes(found: Evidence) -> list[LabelChange]:
    """The data-size confound, label set by label set; a sham's at the first seed."""
    real = {label.pair_key: label.p for label in found.trained}
    rows = []
    for variant in found.plan.variants[1:]:
        label_set = variant.at(found.plan.seeds[0])
        now = training_labels(found.trained, found.constitution, label_set)
        others = training_labels(found.undecided, found.constitution, label_set)
        change = compare_labels(real, now)
        rows.append(
            LabelChange(
                name=variant.name,
                pairs=change.pairs,
                changed=change.changed,
                flipped=change.flipped,
                vanished=change.vanished,
                mean_change=change.mean_change,
                appeared=sum(p is not None for p in others.values()),
            )
        )
    return rows


def shapley_values(plan: Plan, tables: Sequence[Table], settings: BehaviourSettings, seed: int) -> Shapley:
    """Every principle's credit for every behaviour, from the subsets that were trained."""
    by_kept = {one.kept: one.name for one in plan.of_kind("all", "without", "none", "subset")}
    found = design(plan.players, list(by_kept))
    if found is None:
        return Shapley(method=None, why=_no_shapley(plan), sets=len(by_kept))
    values = [value for table in tables for value in _credits(plan, found, by_kept, table, settings, seed)]
    words = "from all subsets" if found.exact else f"least squares over {len(found.sets)} of {2 ** len(plan.players)}"
    return Shapley(
        method="exact" if found.exact else "least squares", why=words, sets=len(found.sets), values=tuple(values)
    )


def _no_shapley(plan: Plan) -> str:
    if not plan.of_kind("none"):
        return "no random subsets were trained: `--subsets M` trains some"
    return "too few subsets were trained to tell the principles apart: a larger `--subsets` does"


def _credits(
    plan: Plan, found: Design, by_kept: Mapping[frozenset[str], str], table: Table, settings: BehaviourSettings,
    seed: int,
) -> list[ShapleyValue]:  # fmt: skip
    outcomes = [table.values[by_kept[one]] for one in found.sets]
    means = {one: float(values.mean()) for one, values in zip(found.sets, outcomes, strict=True)}
    errors = [None] * len(plan.players) if found.exact else subset_errors(found, plan.players, means)
    shared = [sum((w * values for w, values in zip(row, outcomes, strict=True)), 0 * outcomes[0])
              for row in found.matrix_K_M]  # fmt: skip
    measured = effects(shared, table.pairs, settings.resamples, settings.level, seed)
    return [
        ShapleyValue(principle=player, behaviour=table.behaviour.id, effect=effect, subset_error=error)
        for player, effect, error in zip(plan.players, measured, errors, strict=True)
    ]


def reproduced(found: Evidence) -> Reproduced:
    """The run's held-out margin against that of its own labels at its own seed."""
    again = found.results[found.plan.variants[0].name, found.plan.seeds[0]]
    signed = [
        (1 if pair.label.p > 0.5 else -1) * again.h[pair.key]
        for pair in found.held
        if pair.label.p is not None and pair.label.p != 0.5
    ]
    margin = sum(signed) / len(signed) if signed else None
    run = found.margin_of_run
    same = None if margin is None or run is None else abs(margin - run) <= 1e-6 * max(1.0, abs(run))
    return Reproduced(margin_of_run=run, margin_again=margin, same=same)
