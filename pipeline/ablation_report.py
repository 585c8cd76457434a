"""From the retrainings to the report's files: 70-ablation.html, .json and .csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from constitution.files import write_atomically, write_json
from constitution.read_json import read_record
from pipeline.ablation_answers import AnswerPlan
from pipeline.ablation_inputs import Material
from pipeline.ablation_store import training_inputs
from pipeline.context import Run
from pipeline.folder import RunFolder
from reports.ablation.analyse import Evidence, analyse
from reports.ablation.behaviours import HeldPair
from reports.ablation.page import render_ablation
from reports.ablation.plan import Plan
from reports.ablation.records import AblationReport, Retrained
from reports.ablation.words import summary_lines
from reports.twins import csv_text, json_safe


def write_report(
    run: Run,
    found: Material,
    plan: Plan,
    results: Mapping[tuple[str, int], Retrained],
    answers: AnswerPlan | None,
    json_file: Path | None,
) -> AblationReport:
    """Analyse, write the page and its twins, say what came out."""
    run.console.say("  comparing the retrainings")
    report = analyse(evidence(run, found, plan, results, answers))
    write_pages(run.folder, report)
    if json_file:
        write_json(json_file, _as_data(report))
    for line in summary_lines(report):
        run.console.say(f"  {line}")
    run.console.say(f"  page: {run.folder.ablation_page}")
    return report


def write_pages(folder: RunFolder, report: AblationReport) -> None:
    """The page and its twins."""
    write_json(folder.ablation, _as_data(report))
    cells = [cell.model_dump(mode="json") | {"left_out": " + ".join(cell.left_out)} for cell in report.cells]
    write_atomically(folder.ablation_table, csv_text(cells, "left_out"))
    write_atomically(folder.ablation_page, render_ablation(report))


def _as_data(report: AblationReport) -> JsonValue:
    return json_safe(report.model_dump(mode="json"))


def evidence(
    run: Run, found: Material, plan: Plan, results: Mapping[tuple[str, int], Retrained], answers: AnswerPlan | None
) -> Evidence:
    """The run's side of it; which pairs are held out, the retrainings know."""
    prompt_of = {pair.key: pair.prompt_id for pair in found.pairs}
    out = results[plan.variants[0].name, plan.seeds[0]].h
    trained = [label for key, label in found.labels.items() if key not in out]
    return Evidence(
        run=run.config.name,
        inputs=found.inputs,
        steps=found.steps,
        constitution=run.constitution,
        plan=plan,
        results=results,
        trained=trained,
        prompts=[prompt_of[label.pair_key] for label in trained],
        held=[HeldPair(key, prompt_of[key], found.labels[key]) for key in sorted(out)],
        undecided=found.undecided,
        sampled=answers.behaviours if answers else [],
        answers_each=answers.samples if answers else 0,
        margin_of_run=found.margin,
        settings=run.config.behaviour,
        seed=run.config.seed,
        notes=_notes(run, found),
    )


def _notes(run: Run, found: Material) -> list[str]:
    notes = []
    if found.processes > 1:
        notes.append(
            f"the run was trained by {found.processes} processes, the retrainings by one: sums round otherwise"
        )
    if found.left_out:
        notes.append(f"{found.left_out} labelled pairs were too long or empty to train on; they count in the labels")
    if any(principle.weight == 0 for principle in run.constitution.principles):
        notes.append(
            "principles without a weight are in no label: they are measured, and there is nothing to leave out"
        )
    return notes


def read_ablation(run: Run) -> AblationReport | None:
    """The report that is there, if it is of the policy that the run has now."""
    if not run.folder.ablation.exists():
        return None
    report = read_record(run.folder.ablation, AblationReport)
    return report if report.inputs == training_inputs(run) else None
