"""`preceptor calibrate RUN.yaml --judge NAME [--gold FOLDER] --out FILE`: a judge's temperatures by principle.

With gold (a folder that `preceptor import` wrote) the judge is asked about gold's pairs; without, about the run's own.
Votes that the run's store has are not asked again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError, JudgeError
from constitution.files import write_atomically
from constitution.model import Constitution
from generate.records import Pair
from judge.ask import collect_votes, judge_pairs, plan_votes
from judge.calibrate import Evidence, calibrate
from judge.calibration import Calibration, Method
from judge.evidence import Votes, batch_evidence, gold_evidence, swap_evidence
from judge.imports.folder import check_pairs, pair_source
from judge.interface import Judge
from judge.panel import turns
from judge.recorded import JudgeByRecord
from judge.resampling import Score
from judge.settings import LlmJudge, RecordedJudge
from pipeline.console import Console
from pipeline.context import Run
from pipeline.invoked import command
from pipeline.load import load_run
from pipeline.opened import folder_of


class Subject(NamedTuple):
    """The judge to calibrate, the principles that it votes on, and how."""

    judge: Judge
    constitution: Constitution
    method: Method
    leans: bool
    """Whether it is a model shown the pairs in one order, so that nothing cancels its lean to a slot."""


def run_calibrate(
    path: Path,
    judge: str | None,
    gold: Path | None,
    out: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    dry_run: bool,
) -> None:
    """Ask what is missing, fit, write the record, say what it says."""
    config = load_run(path, flags, settings)
    folder = folder_of(config, path, runs)
    with Console() as console:
        run = Run(config, path.resolve().parent, folder, console, path, dry=dry_run)
        subject = _subject(run, judge or config.judge, gold)
        pairs = _gold_pairs(gold) if gold else _own_pairs(run)
        labels = _labels(subject, gold) if gold else None  # first: its faults should cost no vote
        if dry_run:
            _say_plan(run, subject, pairs, labels)
            return
        folder.create()
        with folder.locked():
            try:
                found = _calibrate(run, subject, pairs, labels)
            finally:
                run.close_engines()
        write_atomically(out, found.model_dump_json(indent=2) + "\n")
        for line in calibration_report(found):
            console.say(line)
        named = os.path.relpath(out.resolve(), run.base)
        console.say(f"written to {out}; it acts once the judge's entry in the run file says `calibration: {named}`")


def _subject(run: Run, name: str, gold: Path | None) -> Subject:
    if name not in run.config.judges:
        known = ", ".join(sorted(run.config.judges))
        raise JudgeError(f"`--judge` is `{name}`, but the run file defines only: {known}")
    own = {turn.judge.name: turn for turn in turns(run.judge(run.config.judge), run.constitution)}
    judge = own[name].judge if name in own else run.judge(name)
    principles = own[name].principles if name in own else run.constitution.principles
    orders = {showing.order for principle in principles for showing in judge.showings(principle)}
    leans = isinstance(run.config.judges[name], LlmJudge) and len(orders) == 1
    if gold is None and len(orders) == 1 and not leans:
        raise JudgeError(
            f"judge `{name}` is asked in one order and has no lean to remove: only gold labels can calibrate it; give "
            "`--gold` a folder that `preceptor import` wrote"
        )
    method: Method = "gold" if gold else "batch" if leans else "order_swap"
    return Subject(judge, run.constitution.model_copy(update={"principles": principles}), method, leans)


def _gold_pairs(folder: Path) -> list[Pair]:
    pairs = pair_source(str(folder))
    check_pairs(pairs)
    return list(pairs)


def _own_pairs(run: Run) -> list[Pair]:
    if not run.folder.pairs.exists():
        raise DataError(
            f"{run.folder.pairs}: no pairs to calibrate on; run `{command(run, 'generate')}` first, or give `--gold` a "
            "folder that `preceptor import` wrote"
        )
    return list(run.pairs())


def _say_plan(run: Run, subject: Subject, pairs: Sequence[Pair], gold: JudgeByRecord | None) -> None:
    with run.vote_store() as store:
        plan = plan_votes(pairs, _asked(subject, gold), subject.judge, store)
    run.console.say(
        f"calibrate judge `{subject.judge.name}` by {subject.method.replace('_', ' ')} on {len(pairs)} pairs: "
        f"{plan.wanted} votes wanted, {plan.wanted - plan.to_ask} stored, {plan.to_ask} to ask"
    )


def _calibrate(run: Run, subject: Subject, pairs: Sequence[Pair], gold: JudgeByRecord | None) -> Calibration:
    _say_plan(run, subject, pairs, gold)
    asked = _asked(subject, gold)
    with run.vote_store() as store:
        judge_pairs(pairs, asked, subject.judge, store, run.console.tick)
        votes = collect_votes(pairs, asked, subject.judge, store)
    found = calibrate(subject.judge, subject.method, _evidence(subject, pairs, votes, gold))
    if not found.principles:
        reasons = "; ".join(f"{refusal.principle}: {refusal.reason}" for refusal in found.refused)
        raise DataError(f"judge `{subject.judge.name}` cannot be calibrated, and nothing was written: {reasons}")
    return found


def _evidence(subject: Subject, pairs: Sequence[Pair], votes: Votes, gold: JudgeByRecord | None) -> list[Evidence]:
    judge, principles = subject.judge, subject.constitution.principles
    if gold is None:
        by_swap = subject.method == "order_swap"
        return swap_evidence(pairs, principles, votes) if by_swap else batch_evidence(pairs, principles, judge, votes)
    return gold_evidence(pairs, principles, judge, votes, gold, subject.leans)


def _labels(subject: Subject, gold: Path) -> JudgeByRecord:
    return JudgeByRecord("gold", RecordedJudge(kind="recorded", file=str(gold)), subject.constitution)


def _asked(subject: Subject, gold: JudgeByRecord | None) -> Constitution:
    """The principles to ask about: votes on one that gold says nothing of would be for nothing."""
    principles = tuple(p for p in subject.constitution.principles if gold is None or gold.covers(p))
    return subject.constitution.model_copy(update={"principles": principles})


def calibration_report(found: Calibration) -> list[str]:
    """The record in words, one line a principle."""
    lines = [f"  {entry.principle}: {entry.note}" for entry in found.principles]
    lines += [f"  {refusal.principle}: not calibrated: {refusal.reason}" for refusal in found.refused]
    if found.scores is None:
        return lines
    change = found.scores.log_loss_change
    scored = [("log loss", "log_loss"), ("Brier score", "brier"), ("ECE", "ece"), ("accuracy", "accuracy")]
    for name, field in scored:
        before, after = (_interval(getattr(side, field)) for side in (found.scores.before, found.scores.after))
        lines.append(f"  {name}: {before} -> {after}")
    return [*lines, f"  change of the log loss: {_interval(change)}, n = {change.n} of {change.clusters} prompts"]


def _interval(score: Score) -> str:
    if score.value is None:
        return "unknown"
    if score.low is None or score.high is None:
        return f"{score.value:.3f} (no interval: one prompt)"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
