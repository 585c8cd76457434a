"""Options that lead to a run folder and to what it was made with: the same in every command that reads one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Name = Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")]  # noqa: UP045
Judge = Annotated[Optional[str], typer.Option(help="The entry of `judges` that labelled the run.")]  # noqa: UP045
Settings = Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="As in `run`.")]  # noqa: UP045
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]
