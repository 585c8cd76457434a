"""`preceptor merge RUN.yaml PART...`: answers and votes of runs on parts of the prompts, for one run on all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from pipeline.options import Name, RunsFolder, Settings


def merge_command(
    run_file: Annotated[
        Path, typer.Argument(metavar="RUN.yaml", help="The run file of the whole.", show_default=False)
    ],
    parts: Annotated[
        list[Path],
        typer.Argument(metavar="PART...", help="Run folders to take answers and votes from.", show_default=False),
    ],
    name: Name = None,
    judge: Annotated[Optional[str], typer.Option(help="Use this entry of `judges`, instead of the run file's.")] = None,  # noqa: UP045
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Take over the answers and votes of other run folders. `run` then computes only what none of them has."""
    from pipeline.merge import merge_part, part_folder
    from pipeline.opened import opened_run

    folders = [part_folder(part) for part in parts]
    with opened_run(run_file, {"name": name, "judge": judge}, settings or [], runs) as run:
        for folder in folders:
            for line in merge_part(run, folder):
                run.console.say(line)
