"""`preceptor export RUN.yaml --format annotated-pairs --out FILE`: a run's pairs, votes and labels for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from constitution.errors import DataError

FORMATS = ("annotated-pairs",)


def export_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.", show_default=False)],
    format_name: Annotated[str, typer.Option("--format", help="annotated-pairs.")] = "annotated-pairs",
    name: Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")] = None,  # noqa: UP045
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """Write a labelled run's pairs, each principle's view and the label in a format that other tools read."""
    if format_name not in FORMATS:
        raise DataError(f"--format `{format_name}`: expected one of {', '.join(FORMATS)}")
    from constitution.files import write_atomically

    exported = _annotated(run_file, name, runs)
    write_atomically(out, json.dumps(exported, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    typer.echo(f"{len(exported['comparisons'])} pairs written to {out}")


def _annotated(run_file: Path, name: str | None, runs: Path) -> dict[str, Any]:
    """What the run's stages left; nothing is computed. Raises DataError if the run has no labels yet."""
    from constitution.files import read_records
    from judge.annotated import annotated_pairs
    from judge.records import Label
    from pipeline.console import Console
    from pipeline.context import Run
    from pipeline.load import load_run
    from pipeline.opened import folder_of
    from pipeline.run import STAGES
    from pipeline.stage import check_needs

    config = load_run(run_file, {"name": name})
    folder = folder_of(config, run_file, runs)
    with Console() as console:
        run = Run(config, run_file.resolve().parent, folder, console)
        check_needs(STAGES["train"], run, STAGES)  # training needs what an export needs: pairs and labels
    labels = {label.pair_key: label for label in read_records(folder.labels, Label)}
    stamp = folder.stamp("label")
    created = stamp.finished.replace("+00:00", "Z") if stamp else ""
    return annotated_pairs(run.pairs(), labels, run.constitution, config.name, created)
