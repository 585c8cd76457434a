"""What an audit asks: the probes of judge/audit on a sample of the run's pairs, and the gold pairs, by the store."""

from __future__ import annotations

from collections import defaultdict
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
from judge.audit.settings import PROBES, AuditSettings, Probe
from judge.interface import Judge
from judge.opinions import Opinions, read_opinions
from judge.records import Vote
from pipeline.compare import sample_pairs
from pipeline.context import Run

RECORDED_ONLY = "recorded opinions cannot be asked about anything else"
UNSEEN = "the judge is not shown the principle's text; give its `check` an opposite in `audit.negations`"
UNSEEN_NULL = "the judge is not shown the principle's text, and a check has no null"
READS_NONE = "a reward model reads no principle"
OUT_OF_SCOPE = "none of the pairs drawn is in its scope"
SAME_AGAIN = "it says the same of the same by construction"
FIXED = ("rules", "reward-model")
"""Kinds of judge to which the same question need not be put twice."""


class Probing(NamedTuple):
    """What the probes are to ask."""

    pairs: list[Pair]
    """The pairs drawn."""
    constitution: Constitution
    """The principles that anybody can be asked about."""
    parts: dict[Probe, Constitution]
    """What each probe asks about; without a principle where it asks nothing."""
    left_out: dict[Probe, str]
    """Probe -> why it was left out, or for which principles."""


def judge_name(run: Run, principle: Principle) -> str:
    """The entry of `judges` that votes on the principle."""
    return run.config.sources[principle.source] if principle.source else run.config.judge


def _kind_of(run: Run, principle: Principle) -> str:
    return run.config.judges[judge_name(run, principle)].kind


def probing(run: Run, settings: AuditSettings, pairs: Sequence[Pair], judge: Judge) -> Probing:
    """Plan the probes. Raises DataError for a negation of a principle that the constitution does not have."""
    known = {principle.id for principle in run.constitution.principles}
    if unknown := sorted(set(settings.negations) - known):
        raise DataError(
            f"`audit.negations` names {', '.join(unknown)}, but the constitution's principles are: "
            f"{', '.join(sorted(known))}"
        )
    principles = [p for p in run.constitution.principles if _kind_of(run, p) != "recorded"]
    asked = with_principles(run.constitution, principles)
    sample = sample_pairs(pairs, settings.pairs, run.config.seed)
    parts: dict[Probe, list[Principle]] = {
        "negation": _seen(judge, sample, asked, negations(asked, settings.negations), settings.negations),
        "null": _seen(judge, sample, asked, [null_principle(principle) for principle in principles], ()),
        "repeat": [principle for principle in principles if _kind_of(run, principle) not in FIXED],
        "injection": principles,
    }
    parts = {probe: parts[probe] if probe in settings.probes else [] for probe in PROBES}
    left_out = {probe: why for probe in settings.probes if (why := _why_left_out(run, probe, parts[probe]))}
    return Probing(sample, asked, {probe: with_principles(asked, part) for probe, part in parts.items()}, left_out)


def _why_left_out(run: Run, probe: Probe, asked: Sequence[Principle]) -> str:
    """Why the probe is not about some principles, or any; empty where it is about all."""
    names, reasons = {principle.id for principle in asked}, defaultdict[str, list[str]](list)
    for principle in run.constitution.principles:
        if principle.id not in names:
            reasons[_reason(probe, _kind_of(run, principle))].append(principle.id)
    if len(reasons) == 1 and not asked:
        return next(iter(reasons))
    return "; ".join(f"{', '.join(ids)}: {reason}" for reason, ids in reasons.items())


def _reason(probe: Probe, kind: str) -> str:
    if kind == "recorded":
        return RECORDED_ONLY
    if probe == "repeat":
        return SAME_AGAIN
    if kind == "reward-model":
        return READS_NONE
    if kind == "llm":
        return OUT_OF_SCOPE
    return UNSEEN if probe == "negation" else UNSEEN_NULL


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

    def part(probe: Probe) -> Constitution | None:
        if not plan.parts[probe].principles:
            return None
        run.console.say(f"  probe `{probe}`")
        return plan.parts[probe]

    clean = asker.cells(plan.pairs, plan.constitution)
    return Asked(
        own=own,
        clean=clean,
        negation=asker.cells(plan.pairs, asked) if (asked := part("negation")) else None,
        null=asker.cells(plan.pairs, asked) if (asked := part("null")) else None,
        repeat=repeat_cells(asker, plan.pairs, asked) if (asked := part("repeat")) else None,
        attacks=attacks(asker, clean, asked, settings.payloads, run.config.seed)
        if (asked := part("injection"))
        else None,
    )


def planned_votes(settings: AuditSettings, plan: Probing, judge: Judge, store: Store[Vote]) -> dict[str, int]:
    """Votes that each probe would ask. `injection` is an upper bound: whom it attacks depends on the votes."""
    counts: dict[str, int] = {}
    for probe, part in plan.parts.items():
        if not part.principles:
            continue
        if probe == "injection":
            counts[probe] = plan_votes(plan.pairs, part, judge, store).wanted * (settings.payloads + 1)
        else:
            asked = Repeated(judge) if probe == "repeat" else judge
            counts[probe] = plan_votes(plan.pairs, part, asked, store).to_ask
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


def about_gold(run: Run, gold: Gold) -> Constitution:
    """The principles to ask about pairs with gold: those that it names, or all where it is on whole pairs."""
    named = {principle for _, principle in gold.principles}
    principles = [p for p in run.constitution.principles if gold.whole or p.id in named]
    return with_principles(run.constitution, principles)


def _mean_p(opinions: Opinions, pair: Pair, principle: str) -> float | None:
    """A bare verdict counts as certain: gold is what the judge is measured by."""
    said = [p for heard in opinions.on(pair, principle) if (p := heard.p_of_a(1.0)) is not None]
    return sum(said) / len(said) if said else None
