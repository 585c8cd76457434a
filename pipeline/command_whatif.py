"""`preceptor whatif RUN.yaml --drop ID --weight ID=0.5`: what an edited constitution would have trained, predicted from
the run's recording in milliseconds; nothing is judged or trained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from constitution.model import Constitution
    from constitution.record import Record
    from pipeline.context import Run
    from pipeline.tracing import Opened
    from reports.trace.whatif import Predicted

Texts = Optional[list[str]]  # noqa: UP045


def whatif_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    drop: Annotated[Texts, typer.Option(metavar="ID", help="Without this principle. Repeatable.")] = None,
    weight: Annotated[Texts, typer.Option(metavar="ID=WEIGHT", help="At this weight. Repeatable.")] = None,
    constitution: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="NEW.yaml", help="An edited constitution."),
    ] = None,
    json_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="FILE", help="Also write it as JSON."),
    ] = None,
    name: Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")] = None,  # noqa: UP045
    settings: Annotated[Texts, typer.Option("--set", metavar="KEY=VALUE", help="As in `run`.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """Predict what other weights, fewer principles or an edited constitution would have trained."""
    run_whatif(run_file, drop or [], weight or [], constitution, {"name": name}, settings or [], runs, json_file)


def run_whatif(
    path: Path,
    drop: Sequence[str],
    weight: Sequence[str],
    constitution: Path | None,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    json_file: Path | None = None,
) -> None:
    """Raises ConfigError for an edit that makes no sense, DataError where the run has no recording."""
    from constitution.files import write_atomically
    from pipeline.opened import opened_run
    from pipeline.tracing import opened_trace

    with opened_run(path, flags, settings, runs) as run:
        edited, unjudged = edit(run, drop, weight, constitution)
        opened = opened_trace(run)
        result, lines = answer(run, opened, edited, unjudged)
        for line in lines:
            run.console.say(line)
        if json_file is not None:
            write_atomically(json_file, result.model_dump_json(indent=2) + "\n")
            run.console.say(f"written to {json_file}")


def edit(
    run: Run, drop: Sequence[str], weight: Sequence[str], constitution: Path | None
) -> tuple[Constitution, list[str]]:
    """The constitution that is asked about, over the votes that there are, and the principles that would have to be
    judged first, which it lacks."""
    from constitution.errors import ConfigError, Problem
    from constitution.load import load_constitution
    from pipeline.tracing import weighted

    if constitution is not None:
        if drop or weight:
            raise ConfigError([Problem("whatif", 1, 1, "give either --constitution, or --drop and --weight")])
        new = load_constitution(constitution)
        known = {principle.id: principle.key for principle in run.constitution.principles}
        unjudged = [one.id for one in new.principles if known.get(one.id) != one.key]
        weights = {one.id: one.weight for one in new.principles if one.id not in unjudged}
        if not any(weights.values()):
            raise ConfigError([Problem(str(constitution), 1, 1, "no principle of it was judged in this run")])
        return weighted(new, weights), unjudged
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    named = [*drop, *(one.split("=", 1)[0] for one in weight)]
    if not named:
        raise ConfigError([Problem("whatif", 1, 1, "give --drop, --weight or --constitution")])
    for given in named:
        if given not in weights:
            raise ConfigError([Problem("whatif", 1, 1, f"`{given}`: the constitution has: {', '.join(weights)}")])
        if named.count(given) > 1:
            raise ConfigError([Problem("whatif", 1, 1, f"`{given}`: it is named twice; drop it, or give one weight")])
    for one in weight:
        weights[one.split("=", 1)[0]] = _number(one)
    weights = {i: value for i, value in weights.items() if i not in drop}
    if not any(weights.values()):
        raise ConfigError([Problem("whatif", 1, 1, "no principle with a weight is left")])
    return weighted(run.constitution, weights), []


def _number(given: str) -> float:
    from constitution.errors import ConfigError, Problem

    try:
        value = float(given.split("=", 1)[1])
    except (IndexError, ValueError):
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigError([Problem("whatif", 1, 1, f"--weight {given}: give ID=WEIGHT, a number of at least 0")])
    return value


def answer(run: Run, opened: Opened, edited: Constitution, unjudged: Sequence[str]) -> tuple[Record, list[str]]:
    """The prediction, as data and as lines."""
    from judge.label_sets import compare_labels
    from pipeline.trace_fidelity import measured_fidelity, missed
    from pipeline.tracing import edited_labels
    from reports.trace.records import WhatIf
    from reports.trace.whatif import corrected, label_set, margins_after, predict
    from reports.trace.words import whatif_lines

    old = {one.id: one.weight for one in run.constitution.principles}
    new = {one.id: one.weight for one in edited.principles}
    gone = {i: max(0.0, 1 - new.get(i, 0.0) / weight) for i, weight in old.items() if weight}
    residuals = missed(run, opened)
    measured = measured_fidelity(run, opened, residuals)
    started = time.perf_counter()
    labels = edited_labels(opened, edited)
    margins_J = margins_after(opened.played, opened.heldout, label_set(labels, opened.recorded.head.pairs))
    margins_J = corrected(margins_J, residuals, gone)
    seconds = time.perf_counter() - started
    predicted: list[Predicted] = predict(opened.heldout, margins_J, run.config.seed)
    changed = compare_labels({key: opened.found.labels[key].p for key in labels}, labels)
    result = WhatIf(
        weights=new,
        unjudged=tuple(unjudged),
        corrected=tuple(sorted(i for i in residuals.by_principle if gone.get(i))),
        flipped=changed.flipped,
        vanished=changed.vanished,
        changed=changed.changed,
        pairs=changed.pairs,
        behaviours=tuple(predicted),
        fidelity=measured,
        seconds=seconds,
    )
    return result, whatif_lines(result)
