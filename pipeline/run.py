"""The stages in their order, and the one function that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.applicable import check_applicable
from pipeline.context import Run
from pipeline.expected import total_line
from pipeline.next_steps import next_lines
from pipeline.opened import note_settings, opened_run
from pipeline.resolved import resolved
from pipeline.stage import Stage, check_needs, enumerated, preview_stage, run_stage
from pipeline.stage_audit import AUDIT
from pipeline.stage_behaviour import BEHAVIOUR
from pipeline.stage_generate import GENERATE
from pipeline.stage_judge import JUDGE
from pipeline.stage_label import LABEL
from pipeline.stage_report import REPORT
from pipeline.stage_second_opinion import SECOND_OPINION
from pipeline.stage_trace import TRACE
from pipeline.stage_train import TRAIN
from pipeline.tracking import send_missing
from pipeline.used import differences

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE, JUDGE, AUDIT, SECOND_OPINION, LABEL, TRAIN, BEHAVIOUR, TRACE, REPORT)
}


def run_pipeline(
    names: Sequence[str] | None,
    path: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    dry_run: bool = False,
    *,
    accept: Sequence[str] = (),
    retry_failed: bool = False,
    measure: bool = False,
    track: str | None = None,
) -> None:
    """Run the named stages (all when None), or say what they would do. The same call again goes on where it stopped.

    A dry run that may `measure` asks the judge a few of the missing votes, and keeps them. `retry_failed` puts
    every failed vote to the judge again, also those that would fail alike. `track` names one of TRACKERS.
    """
    with opened_run(
        path, flags, settings, runs, dry_run, accept=accept, retry_failed=retry_failed, measure=measure, track=track
    ) as run:
        chosen = [STAGES[name] for name in _chosen(run, names)]
        check_applicable(run, [stage.name for stage in chosen])
        if dry_run:
            _preview(run, chosen)
            return
        if len(chosen) == 1:
            check_needs(chosen[0], run, STAGES)
        note_settings(run)
        run.console.stages([stage.name for stage in chosen])
        worked = {stage.name: _run_noted(stage, run) for stage in chosen}
        if track and worked.get("train") is False:
            send_missing(run, TRAIN.inputs(run))
        run.console.end_stages()
        if not any(worked.values()):
            run.console.say("Nothing was recomputed: every stage's inputs are what they were.")
        if unused := differences(run.config.model_dump(mode="json"), resolved(run).config):
            which = enumerated(list(unused))
            run.console.say(f"At least in part made with other values of {which}: {run.folder.config} says which.")
        if names is None:
            for line in next_lines(run):
                run.console.say(line)


def _run_noted(stage: Stage, run: Run) -> bool:
    worked = run_stage(stage, run)
    if worked:
        note_settings(run)
    return worked


def _chosen(run: Run, names: Sequence[str] | None) -> list[str]:
    """The stages that are named, or all that the run file asks for."""
    wanted = {SECOND_OPINION.name: run.config.second_opinion is not None, TRACE.name: run.config.trace is not None}
    chosen = list(names or [name for name in STAGES if wanted.get(name, True)])
    if (itself := _opinion_on_itself(run)) and SECOND_OPINION.name in chosen:
        run.console.heading(f"{SECOND_OPINION.name}: left out: {itself}")
        chosen.remove(SECOND_OPINION.name)
    return chosen


def _opinion_on_itself(run: Run) -> str | None:
    """Take `second_opinion` out of the run where it names the judge that labels, as it may after `--judge`: the report
    does not show it either. Returns why."""
    other = run.config.second_opinion
    if other is None or other.judge != run.config.judge:
        return None
    run.config = run.config.model_copy(update={"second_opinion": None})
    return f"judge `{other.judge}` labels this run, and a judge is no second opinion on itself"


def _preview(run: Run, stages: Sequence[Stage]) -> None:
    upstream_runs = False
    for stage in stages:
        upstream_runs = preview_stage(stage, run, upstream_runs, STAGES) or upstream_runs
    if total := total_line(run.foreseen):
        run.console.heading(total)
