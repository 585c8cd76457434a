"""What an audit asks: the probes of judge/audit on a sample of the run's pairs, and the gold pairs, by the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError
from constitution.files import read_records
from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.records import Pair
from judge.ask import plan_votes
from judge.audit.gold import Gold
from judge.audit.measure import Asked, Cells
from judge.audit.probes import (
    Asker,
    Repeated,
    attacks,
    negations,
    null_principle,
    repeat_cells,
    seen_by,
    with_principles,
)
from judge.audit.settings import AuditSettings, Probe
from judge.interface import Judge
from judge.opinions import Opinions, read_opinions
from judge.records import Vote
from pipeline.compare import sample_pairs
from pipeline.context import Run

RECORDED_ONLY = "recorded opinions cannot be asked about anything else"
UNSEEN = "the judge is not shown the principle's text; give its `check` an opposite in `audit.negations`"
UNSEEN_NULL = "the judge is not shown the principle's text, and a check has no null"


class Probing(NamedTuple):
    """What the probes are to ask: the sampled pairs, the principles that can be asked about, and why others cannot."""

    pairs: list[Pair]
    constitution: Constitution
    negation: Constitution
    null: Constitution
    left_out: dict[str, str]


def kind_of(run: Run, principle: Principle) -> str:
    """The kind of judge that votes on the principle."""
    name = run.config.sources[principle.source] if principle.source else run.config.judge
    return run.config.judges[name].kind


def probing(run: Run, settings: AuditSettings, pairs: Sequence[Pair], judge: Judge) -> Probing:
    """Plan the probes. Raises DataError for a negation of a principle that the constitution does not have."""
    known = {principle.id for principle in run.constitution.principles}
    if unknown := sorted(set(settings.negations) - known):
        raise DataError(
            f"`audit.negations` names {', '.join(unknown)}, but the constitution's principles are: "
            f"{', '.join(sorted(known))}"
        )
    principles = [p for p in run.constitution.principles if kind_of(run, p) != "recorded"]
    asked = with_principles(run.constitution, principles)
    sample = sample_pairs(pairs, settings.pairs, run.config.seed)
    opposite = _seen(judge, sample, asked, negations(asked, settings.negations), settings.negations)
    null = _seen(judge, sample, asked, [null_principle(principle) for principle in principles], ())
    left_out: dict[str, str] = {}
    if not principles:
        left_out = dict.fromkeys(settings.probes, RECORDED_ONLY)
    elif "negation" in settings.probes and not opposite:
        left_out["negation"] = UNSEEN
    if principles and "null" in settings.probes and not null:
        left_out["null"] = UNSEEN_NULL
    return Probing(sample, asked, with_principles(asked, opposite), with_principles(asked, null), left_out)


def _seen(
    judge: Judge,
    pairs: Sequence[Pair],
    constitution: Constitution,
    new: Sequence[Principle],
    given: Collection[str],
) -> list[Principle]:
    """The altered principles that make a difference to what the judge is shown, and those that the user `given`."""
    found = []
    for old, altered in zip(constitution.principles, new, strict=True):
        pair = next((pair for pair in pairs if old.applies_to(pair.prompt.tags)), None)
        if pair is not None and (old.id in given or seen_by(judge, pair, old, altered)):
            found.append(altered)
    return found


def ask_probes(run: Run, settings: AuditSettings, plan: Probing, judge: Judge, store: Store[Vote], own: Cells) -> Asked:
    """Ask every probe of the settings; what is stored already is not asked again."""
    asker = Asker(judge, store, run.console.tick)
    if not plan.constitution.principles:
        return Asked(own=own)

    def heading(probe: Probe) -> bool:
        wanted = probe in settings.probes and probe not in plan.left_out
        if wanted:
            run.console.say(f"  probe `{probe}`")
        return wanted

    clean = asker.cells(plan.pairs, plan.constitution)
    return Asked(
        own=own,
        clean=clean,
        negation=asker.cells(plan.pairs, plan.negation) if heading("negation") else None,
        null=asker.cells(plan.pairs, plan.null) if heading("null") else None,
        repeat=repeat_cells(asker, plan.pairs, plan.constitution) if heading("repeat") else None,
        attacks=attacks(asker, clean, plan.constitution, settings.payloads, run.config.seed)
        if heading("injection")
        else None,
    )


def planned_votes(settings: AuditSettings, plan: Probing, judge: Judge, store: Store[Vote]) -> dict[str, int]:
    """Votes that each probe would ask. `injection` is an upper bound: whom it attacks depends on the votes."""
    counts: dict[str, int] = {}
    if not plan.constitution.principles:
        return counts
    for name, constitution in (("negation", plan.negation), ("null", plan.null)):
        if name in settings.probes and constitution.principles:
            counts[name] = plan_votes(plan.pairs, constitution, judge, store).to_ask
    if "repeat" in settings.probes:
        counts["repeat"] = plan_votes(plan.pairs, plan.constitution, Repeated(judge), store).to_ask
    if "injection" in settings.probes:
        wanted = plan_votes(plan.pairs, plan.constitution, judge, store).wanted
        counts["injection"] = wanted * (settings.payloads + 1)
    return counts


class GoldPairs(NamedTuple):
    """The pairs with gold, and what people said of them."""

    pairs: list[Pair]
    gold: Gold


def gold_folder(run: Run, settings: AuditSettings | None) -> Path | None:
    """Where gold is, relative to the run file."""
    return run.base / settings.gold if settings and settings.gold else None


def read_gold(run: Run, settings: AuditSettings, folder: Path) -> GoldPairs:
    """At most `gold_pairs` pairs of an import folder, drawn by the run's seed, with the mean of what was said of each.

    Raises DataError or ConfigError as the folder's files cannot be read, or say nothing about these principles.
    """
    opinions = read_opinions(folder)
    pairs = sample_pairs(read_records(folder / "pairs.jsonl", Pair), settings.gold_pairs, run.config.seed)
    by_principle: dict[tuple[str, str], float] = {}
    whole: dict[str, float] = {}
    for pair in pairs:
        for principle in run.constitution.principles:
            p = _mean_p(opinions, pair, principle.id)
            if p is None:
                continue
            if principle.id in opinions.principles:
                by_principle[pair.key, principle.id] = 1 - p if principle.polarity == "against" else p
            else:
                whole[pair.key] = p
    if not by_principle and not whole:
        raise DataError(f"{folder}: its opinions are neither on whole pairs nor on any principle of the constitution")
    return GoldPairs(pairs, Gold(by_principle, whole))


def _mean_p(opinions: Opinions, pair: Pair, principle: str) -> float | None:
    """A bare verdict counts as certain: gold is what the judge is measured by."""
    said = [p for heard in opinions.on(pair, principle) if (p := heard.p_of_a(1.0)) is not None]
    return sum(said) / len(said) if said else None
