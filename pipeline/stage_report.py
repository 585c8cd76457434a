"""Stage `report`: everything the other stages left -> 90-report.html with its CSV and JSON twins."""

from __future__ import annotations

import json
from typing import Any

from constitution.files import write_atomically
from constitution.identity import digest, file_digest
from constitution.read_json import read_json, read_record
from generate.pairs import PairCounts
from generate.records import Pair
from judge.ask import PairVotes, collect_votes, flat_votes
from judge.calibration import calibration_lines
from judge.comparison import Comparison
from judge.records import Label, Vote
from judge.verified import check_constitution
from pipeline.ablation_report import read_ablation
from pipeline.context import Run
from pipeline.judged import read_behaviour, read_metrics
from pipeline.resolved import resolved, versions
from pipeline.stage import Stage
from pipeline.stage_audit import read_card
from pipeline.stage_behaviour import answers_by_prompt, read_comparisons
from pipeline.stage_judge import read_account
from reports.conflicts import conflict_map
from reports.data import JudgeCard, JudgedPair, Provenance, ReportData, SecondOpinion, StageTime
from reports.labels import label_statistics

PAIRS_IN_REPORT = 200
WORKING_STAGES = ("generate", "judge", "second-opinion", "label", "train", "behaviour")


def _inputs(run: Run) -> dict[str, str]:
    """What the other stages left; a stage that was done again without changing its files changes only its times."""
    folder = run.folder
    files = [folder.pairs, folder.pair_counts, folder.vote_counts, folder.labels, folder.training, folder.metrics]
    files += [folder.behaviour, folder.comparisons]
    files += [path for path in (folder.audit, folder.agreement, folder.ablation) if path.exists()]
    return {
        "constitution": digest("shown", constitution=run.constitution.model_dump(mode="json")),
        **{path.name: file_digest(path) for path in files},
    }


def report_data(run: Run) -> ReportData:
    """Gather the run's artefacts. Asks no judge and loads no model."""
    pairs, labels = list(run.pairs()), list(run.labels())
    check_constitution(labels, run.constitution)
    judge = run.judge(run.config.judge)
    with run.judged_votes() as store:
        votes = collect_votes(pairs, run.constitution, judge, store)
    settings, seed = run.config.behaviour, run.config.seed
    comparison = _read_comparison(run)
    return ReportData(
        name=run.config.name,
        config=_json(resolved(run)),
        constitution=run.constitution,
        provenance=_provenance(run),
        generation=read_record(run.folder.pair_counts, PairCounts),
        labels=label_statistics(run.constitution, pairs, flat_votes(votes), labels, settings, seed),
        conflicts=conflict_map(pairs, labels, run.constitution, run.config.generate.pairing == "best_worst"),
        training=tuple(read_metrics(run)),
        behaviour=read_behaviour(run),
        judge_card=_judge_card(run),
        second_opinion=_second_opinion(comparison),
        pairs=tuple(_judged_pairs(run, pairs, labels, votes, comparison)),
        answers=tuple(answers_by_prompt(read_comparisons(run))),
        ablation=read_ablation(run),
        notes=(*_training_warnings(run), *(line.strip() for line in calibration_lines(run.calibration))),
    )


def _training_warnings(run: Run) -> list[str]:
    found: list[str] = read_json(run.folder.training).get("warnings", [])
    return found


def _json(value: dict[str, object]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain


def _provenance(run: Run) -> Provenance:
    stamps = [stamp for name in WORKING_STAGES if (stamp := run.folder.stamp(name)) is not None]
    return Provenance(
        model=run.reference,
        judge=run.config.judge,
        judge_kind=run.config.judges[run.config.judge].kind,
        judge_digest=run.judge(run.config.judge).digest,
        seed=run.config.seed,
        versions=versions(),
        stages=tuple(StageTime(stage=s.stage, seconds=s.seconds, peak_mib=s.peak_mib) for s in stamps),
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


def _judged_pairs(
    run: Run,
    pairs: list[Pair],
    labels: list[Label],
    votes: dict[str, PairVotes],
    comparison: Comparison | None,
) -> list[JudgedPair]:
    """The pairs that the second judge saw, then trained ones, then the rest: at most PAIRS_IN_REPORT."""
    second = _second_votes(run, pairs, comparison)
    label_of = {label.pair_key: label for label in labels}
    ranked = sorted(pairs, key=lambda pair: (pair.key not in second, label_of[pair.key].p is None))
    return [
        JudgedPair(
            pair=pair,
            label=label_of[pair.key],
            votes=tuple(flat_votes({pair.key: votes[pair.key]})),
            second_votes=tuple(second.get(pair.key, ())),
        )
        for pair in ranked[:PAIRS_IN_REPORT]
    ]


def _second_votes(run: Run, pairs: list[Pair], comparison: Comparison | None) -> dict[str, list[Vote]]:
    if comparison is None:
        return {}
    assert run.config.second_opinion is not None
    keys, judge = set(comparison.pairs), run.judge(run.config.second_opinion.judge)
    with run.vote_store() as store:
        votes = collect_votes([pair for pair in pairs if pair.key in keys], run.constitution, judge, store)
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
    outputs=lambda folder: [folder.report],
    execute=_execute,
    preview=lambda run: [f"the report at {run.folder.report}"],
)
