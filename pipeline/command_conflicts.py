"""`preceptor conflicts RUN.yaml`: which principles disagree, who wins, what would turn it; the dial of two axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.options import Judge, Name, RunsFolder, Settings

if TYPE_CHECKING:
    from pipeline.context import Run
    from reports.trace.records import Frontier

Dial = Annotated[Optional[str], typer.Option(metavar="A:B", help="Also move weight between these axes.")]  # noqa: UP045
JsonFile = Annotated[Optional[Path], typer.Option("--json", metavar="FILE", help="Also write it as JSON.")]  # noqa: UP045
CsvFile = Annotated[Optional[Path], typer.Option("--csv", metavar="FILE", help="Also write the map as CSV.")]  # noqa: UP045


def conflicts_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    dial: Dial = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Which principles disagree on which pairs, who wins under the rule, and how much weight would turn it."""
    run_conflicts(run_file, {"name": name, "judge": judge}, settings or [], runs, dial, json_file, csv_file)


def run_conflicts(
    path: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    axes: str | None = None,
    json_file: Path | None = None,
    csv_file: Path | None = None,
) -> None:
    """Print the map of the run's labels, and the dial if two axes are named. Writes nothing into the run folder.

    Raises ConfigError for axes that are not `A:B`, DataError if the run has no labels, or has another judge's.
    """
    from constitution.files import write_atomically
    from pipeline.judged import read_labelled
    from pipeline.labelled_by import check_judge
    from pipeline.opened import opened_run
    from reports.conflict_words import conflict_lines, dial_lines
    from reports.conflicts import conflict_map
    from reports.dial import dial, two_axes
    from reports.trace.records import Frontier
    from reports.twins import conflicts_csv, conflicts_json

    first, second = two_axes(axes) if axes else ("", "")
    with opened_run(path, flags, settings, runs, dry=True) as run:
        labelled = read_labelled(run, "conflicts")
        check_judge(run)
        pairs, labels, law = labelled.pairs, labelled.labels, run.constitution
        turned = dial(pairs, labels, law, first, second) if axes else None
        traded = _traded(run, first, second) if axes else None
        found = conflict_map(pairs, labels, law, labelled.best_worst)
        for line in [*conflict_lines(found), *(dial_lines(turned) if turned else []), *_frontier_lines(traded)]:
            run.console.say(line)
        texts = {
            json_file: conflicts_json(found, turned, traded if isinstance(traded, Frontier) else None),
            csv_file: conflicts_csv(found),
        }
        for file, text in texts.items():
            if file is not None:
                write_atomically(file, text)
                run.console.say(f"written to {file}")


def _traded(run: Run, first: str, second: str) -> Frontier | str:
    """How the policy's margins trade along the dial, or why that is not known; loads no model."""
    from constitution.errors import DataError
    from pipeline.followed import followed_trace

    try:
        opened = followed_trace(run)
        from pipeline.frontier import dial_frontier
        from pipeline.trace_fidelity import missed

        return dial_frontier(run, opened, missed(run, opened), first, second)
    except DataError as error:
        return str(error)


def _frontier_lines(traded: Frontier | str | None) -> list[str]:
    from reports.trace.words import frontier_lines

    if traded is None:
        return []
    return [f"behaviour along the dial: not predicted: {traded}"] if isinstance(traded, str) else frontier_lines(traded)
