"""`preceptor compare RUN RUN...`: runs side by side, from what their stages left. Asks no judge, loads no model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from reports.compare.records import RunsCompared

OutFile = Optional[Path]  # noqa: UP045


def compare_command(
    runs_compared: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="Run files or run folders; the first is the yardstick.", show_default=False
        ),
    ],
    json_file: Annotated[OutFile, typer.Option("--json", metavar="FILE", help="Also write it as JSON.")] = None,
    csv_file: Annotated[
        OutFile,
        typer.Option(
            "--csv", metavar="FILE", help="Also write the behaviours as a table; the labels that turned beside it."
        ),
    ] = None,
    html_file: Annotated[
        OutFile,
        typer.Option("--html", metavar="FILE", help="Also write it as one page, its data beside it."),
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders of run files.")] = Path(
        "runs"
    ),
) -> None:
    """Hold runs against the first one: what they were made from, their labels, their behaviour with intervals."""
    from constitution.files import write_atomically
    from pipeline.compared import read_sides
    from pipeline.console import Console
    from reports.compare.analyse import compare_runs
    from reports.compare.page import render_comparison
    from reports.compare.tables import comparison_csv, labels_beside, labels_csv
    from reports.compare.words import comparison_lines

    found = compare_runs(read_sides(runs_compared, runs))
    if html_file is not None:
        json_file, csv_file = json_file or _beside(html_file, ".json"), csv_file or _beside(html_file, ".csv")
    writers: list[tuple[Path | None, Callable[[RunsCompared], str]]] = [
        (json_file, lambda found: found.model_dump_json(indent=2) + "\n"),
        (csv_file, comparison_csv),
        (csv_file and Path(labels_beside(str(csv_file))), labels_csv),
        (
            html_file,
            lambda found: render_comparison(found, _seen_from(html_file, json_file), _seen_from(html_file, csv_file)),
        ),
    ]
    with Console() as console:
        console.say("\n".join(comparison_lines(found)))
        for path, write in writers:
            if path is not None:
                write_atomically(path, write(found))
                console.say(f"written to {path}")


def _beside(page: Path, ending: str) -> Path:
    """The page's twin: `found.html` has `found.json`."""
    return page.with_name((page.stem if page.suffix == ".html" else page.name) + ending)


def _seen_from(page: Path | None, file: Path | None) -> str:
    """The file as the page refers to it."""
    assert page is not None
    assert file is not None
    return os.path.relpath(file, page.parent)
