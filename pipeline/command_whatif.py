"""`preceptor whatif RUN.yaml --drop ID --weight ID=0.5`: what an edited constitution would have trained, predicted from
the run's recording in milliseconds; nothing is judged or trained."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.options import Judge, Name, RunsFolder, Settings

if TYPE_CHECKING:
    from constitution.model import Constitution
    from pipeline.context import Run
    from pipeline.edited import Edited
    from pipeline.exchange import Exchange
    from pipeline.tracing import Opened

Texts = Optional[list[str]]  # noqa: UP045


def whatif_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    drop: Annotated[Texts, typer.Option(metavar="ID", help="Without this principle. Repeatable.")] = None,
    weight: Annotated[Texts, typer.Option(metavar="ID=WEIGHT", help="At this weight. Repeatable.")] = None,
    constitution: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="NEW.yaml", help="An edited constitution."),
    ] = None,
    answers: Annotated[
        bool, typer.Option("--answers", help="Also predict the sampled answers of stage `behaviour`.")
    ] = False,
    json_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="FILE", help="Also write it as JSON."),
    ] = None,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Predict what other weights, fewer principles or an edited constitution would have trained."""
    run_whatif(
        run_file,
        drop or [],
        weight or [],
        constitution,
        {"name": name, "judge": judge},
        settings or [],
        runs,
        json_file,
        answers=answers,
    )


def run_whatif(
    path: Path,
    drop: Sequence[str],
    weight: Sequence[str],
    constitution: Path | None,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    json_file: Path | None = None,
    *,
    answers: bool = False,
) -> None:
    """Raises ConfigError for an edit that makes no sense, DataError where the run has no recording."""
    from constitution.files import write_atomically
    from pipeline.opened import opened_run
    from pipeline.tracing import opened_trace
    from pipeline.whatif import what_if
    from reports.trace.words import whatif_lines

    with opened_run(path, flags, settings, runs) as run:
        asked = edit(run, drop, weight, constitution)
        with _pointing_on(run, constitution):
            _check_trained(run)
            opened = opened_trace(run)
            edited = _edited(opened, asked)
        result = what_if(run, opened, edited, answers=answers)
        for line in whatif_lines(result):
            run.console.say(line)
        if constitution and result.unjudged:
            run.console.say(_elsewhere(run, constitution))
        if json_file is not None:
            write_atomically(json_file, result.model_dump_json(indent=2) + "\n")
            run.console.say(f"written to {json_file}")


def _check_trained(run: Run) -> None:
    """Raises DataError if the run is not trained, in the words of this command, or its labels are another judge's."""
    from pipeline.labelled_by import check_judge
    from pipeline.stage import check_made

    for path, maker in ((run.folder.pairs, "generate"), (run.folder.labels, "label"), (run.folder.training, "train")):
        check_made(run, [path], "whatif", maker)
    check_judge(run)


def edit(run: Run, drop: Sequence[str], weight: Sequence[str], constitution: Path | None) -> Constitution | Exchange:
    """What is asked about: the run's own principles at other weights, or another constitution in place of its own."""
    from constitution.errors import ConfigError, Problem
    from pipeline.exchange import exchange
    from pipeline.tracing import weighted

    if constitution is not None:
        if drop or weight:
            raise ConfigError([Problem("whatif", 0, 1, "give either --constitution, or --drop and --weight")])
        change = exchange(run, run.base / run.config.constitution, constitution)
        assert change.new.constitution, "read at once, so that a fault in it is said before a model is loaded"
        return change
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    named = [*(("--drop", i) for i in drop), *(("--weight", one.split("=", 1)[0]) for one in weight)]
    if not named:
        raise ConfigError([Problem("whatif", 0, 1, "give --drop, --weight or --constitution")])
    for flag, given in named:
        if given not in weights:
            raise ConfigError([Problem(flag, 0, 1, f"`{given}`: the constitution has: {', '.join(weights)}")])
        if [i for _, i in named].count(given) > 1:
            raise ConfigError([Problem(flag, 0, 1, f"`{given}`: it is named twice; drop it, or give one weight")])
    for one in weight:
        weights[one.split("=", 1)[0]] = _number(one)
    weights = {i: value for i, value in weights.items() if i not in drop}
    if not any(weights.values()):
        raise ConfigError([Problem("whatif", 0, 1, "no principle with a weight is left")])
    return weighted(run.constitution, weights)


def _edited(opened: Opened, asked: Constitution | Exchange) -> Edited:
    """Raises DataError where no principle with a weight was judged."""
    from constitution.errors import DataError
    from constitution.model import Constitution
    from pipeline.edited import exchanged, reweighted

    if isinstance(asked, Constitution):
        return reweighted(opened, asked)
    edited = exchanged(asked, opened)
    if not edited.heard:
        raise DataError("no principle of that constitution was judged in this run")
    return edited


@contextmanager
def _pointing_on(run: Run, constitution: Path | None) -> Iterator[None]:
    """Where there is no prediction for another constitution: what can be said of it all the same."""
    from constitution.errors import DataError

    try:
        yield
    except DataError as error:
        if constitution is None:
            raise
        raise DataError(f"--constitution {constitution}: {error}; {_elsewhere(run, constitution)}") from error


def _elsewhere(run: Run, constitution: Path) -> str:
    from pipeline.invoked import command

    diff = f"constitution diff {shlex.join([str(run.file.parent / run.config.constitution), str(constitution)])} --run"
    return f"what it does to the run's votes and labels: `{command(run, diff)}`"


def _number(given: str) -> float:
    from constitution.errors import ConfigError, Problem

    try:
        value = float(given.split("=", 1)[1])
    except (IndexError, ValueError):
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigError([Problem(f"--weight {given}", 0, 1, "give ID=WEIGHT, a number of at least 0")])
    return value
