"""Stage `report`: everything the other stages left -> 90-report.html with its CSV and JSON twins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import JsonValue

from constitution.files import write_atomically
from constitution.identity import digest, file_digest
from constitution.read_json import read_object, read_record
from generate.pairs import PairCounts
from judge.ask import collect_votes, flat_votes
from judge.calibration import calibration_lines
from judge.comparison import Comparison
from judge.preferring import preference_warnings
from judge.records import Vote
from pipeline.ablation_report import read_ablation
from pipeline.config import RunConfig
from pipeline.context import Run
from pipeline.folder import WORKING_STAGES
from pipeline.judged import read_behaviour, read_metrics
from pipeline.out_of_step import out_of_step
from pipeline.report_costs import stage_costs
from pipeline.report_pairs import Kept, deciding_pairs, read_pairs, shown_pairs
from pipeline.resolved import Resolved, resolved, used_now
from pipeline.stage import Stage
from pipeline.stage_audit import read_card
from pipeline.stage_behaviour import answers_by_prompt, read_comparisons
from pipeline.stage_generate import prompts_digest
from pipeline.stage_judge import read_account
from pipeline.used import settings_of
from reports.conflicts import conflict_map
from reports.data import JudgeCard, Provenance, ReportData, SecondOpinion, StageTime
from reports.labels import LabelStatistics
from reports.thinned import size_for, thinned
from reports.trace.records import TraceReport


def _uses(config: RunConfig) -> dict[str, JsonValue]:
    """What decides which sections there are."""
    return settings_of(config, "second_opinion", "trace")


def _shown(run: Run) -> Resolved:
    return resolved(run, used_now(run, _uses(run.config)))


def _inputs(run: Run) -> dict[str, str]:
    """What the other stages left; a stage that was done again without changing its files changes only its times. The
    judge is among them so that a report that is asked for with another one is not passed over, but refused."""
    folder = run.folder
    files = [folder.pairs, folder.pair_counts, folder.vote_counts, folder.labels, folder.training, folder.metrics]
    files += [folder.behaviour, folder.comparisons]
    files += [path for path in (folder.audit, folder.agreement, folder.trace, folder.ablation) if path.exists()]
    return {
        "constitution": digest("shown", constitution=run.constitution.model_dump(mode="json")),
        "judge": run.judge(run.config.judge).digest,
        "settings": digest("shown", settings=_shown(run).model_dump(mode="json")),
        **{path.name: file_digest(path) for path in files},
    }


def report_data(run: Run) -> ReportData:
    """Gather the run's artefacts. Asks no judge and loads no model."""
    generation = read_record(run.folder.pair_counts, PairCounts)
    comparison = _read_comparison(run)
    read = read_pairs(run, generation.pairs, set(comparison.pairs) if comparison else ())
    pairs, labels = [kept.pair for kept in read.drawn], [kept.label for kept in read.drawn]
    deciding, made_with, answered = deciding_pairs(run, read.drawn), _shown(run), read_comparisons(run)
    return ReportData(
        name=run.config.name,
        config=made_with.model_dump(mode="json"),
        constitution=run.constitution,
        provenance=_provenance(run, made_with, stage_costs(run, generation, comparison, answered)),
        generation=generation,
        labels=read.statistics,
        conflicts=conflict_map(pairs, labels, run.constitution, run.config.generate.pairing == "best_worst"),
        deciding=deciding,
        training=tuple(_training(run)),
        behaviour=read_behaviour(run),
        judge_card=_judge_card(run),
        second_opinion=_second_opinion(comparison),
        pairs=tuple(shown_pairs(run, read, deciding, _second_votes(run, read.seen))),
        answers=tuple(answers_by_prompt(answered)),
        ablation=read_ablation(run),
        trace=_trace(run),
        notes=tuple(_notes(run, read.statistics)),
    )


def _training(run: Run) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl, of many steps several in one."""
    steps = sum(1 for _ in read_metrics(run))
    return thinned(read_metrics(run), size_for(steps))


def _trace(run: Run) -> TraceReport | None:
    """What stage `trace` left, if the run file asks for it."""
    if run.config.trace is None or not run.folder.trace.exists():
        return None
    return read_record(run.folder.trace, TraceReport)


def _notes(run: Run, labels: LabelStatistics) -> Iterator[str]:
    """What does not belong together, labels' and training's warnings, and the calibration."""
    yield from out_of_step(run.folder)
    yield from preference_warnings({"labelled": labels.labelled, **labels.reasons})
    yield from read_object(run.folder.training).get("warnings", [])
    yield from (line.strip() for line in calibration_lines(run.calibration))


def _provenance(run: Run, made_with: Resolved, stages: tuple[StageTime, ...]) -> Provenance:
    stamps = [stamp for name in WORKING_STAGES if (stamp := run.folder.stamp(name)) is not None]
    account = read_account(run)
    return Provenance(
        model=made_with.model,
        judge=run.config.judge,
        judge_kind=run.config.judges[run.config.judge].kind,
        judge_digest=run.judge(run.config.judge).digest,
        seed=run.config.seed,
        data={"pairs": file_digest(run.folder.pairs), "held-out prompts": prompts_digest(run.heldout_prompts)},
        votes=sum(account["states"].values()),
        tokens_in=account["count"].get("all_tokens_in"),
        tokens_out=account["count"].get("all_tokens_out"),
        versions=made_with.versions,
        stages=stages,
        seconds=sum(stage.seconds for stage in stages),
        started=min(stamp.started for stamp in stamps),
        finished=max(stamp.finished for stamp in stamps),
    )


def _read_comparison(run: Run) -> Comparison | None:
    """What the second-opinion stage left, if this run has one."""
    if run.config.second_opinion is None or not run.folder.agreement.exists():
        return None
    return read_record(run.folder.agreement, Comparison)


def _judge_card(run: Run) -> JudgeCard | None:
    """What the audit said, if it is of this judge and these votes."""
    card = read_card(run)
    if card is None or card.about.votes_digest != read_account(run)["digest"]:
        return None
    if card.about.digest != run.judge(run.config.judge).digest:
        return None
    return JudgeCard(passed=card.passed, words=card.words, gate=card.gate)


def _second_opinion(found: Comparison | None) -> SecondOpinion | None:
    if found is None:
        return None
    second, couple = found.judges[1], found.couples[0]
    return SecondOpinion(judge=second.name, model=second.model, pairs=len(found.pairs), rows=couple.principles)


def _second_votes(run: Run, seen: Sequence[Kept]) -> dict[str, list[Vote]]:
    if run.config.second_opinion is None or not seen:
        return {}
    judge = run.judge(run.config.second_opinion.judge)
    with run.vote_store() as store:
        votes = collect_votes([kept.pair for kept in seen], run.constitution, judge, store)
    return {key: flat_votes({key: by_principle}) for key, by_principle in votes.items()}


def _execute(run: Run) -> list[str]:
    from reports.page import render
    from reports.summary import summary_lines
    from reports.twins import write_twins

    data = report_data(run)
    write_atomically(run.folder.report, render(data))
    write_twins(data, run.folder.root)
    return [*summary_lines(data), f"report: {run.folder.report}"]


REPORT = Stage(
    name="report",
    needs=("generate", "judge", "label", "train", "behaviour"),
    inputs=_inputs,
    uses=_uses,
    outputs=lambda folder: [folder.report, *folder.report_data],
    execute=_execute,
    preview=lambda run: [f"the report at {run.folder.report}"],
)
