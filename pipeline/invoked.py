"""Commands that messages give: so that they can be typed as they stand, on this run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.context import Run

PROGRAM = "preceptor"
RUNS = Path("runs")
"""Where run folders are when no flag says it."""


def command(run: Run, words: str) -> str:
    """`preceptor WORDS` on this run, in this run folder."""
    return f"{PROGRAM} {words} {named(run.file, _own_name(run), run.folder.root.parent)}"


def named(run_file: Path, name: str | None, runs: Path) -> str:
    """The run file as the user gave it, and the flags that lead to its folder."""
    flags = [*(["--name", name] if name else []), *([] if runs == RUNS else ["--runs", str(runs)])]
    return shlex.join([str(run_file), *flags])


def _own_name(run: Run) -> str | None:
    """The run's name, where a flag gave it."""
    from pipeline.load import load_run

    same = not run.file.exists() or load_run(run.file, {}).name == run.config.name
    return None if same else run.config.name
