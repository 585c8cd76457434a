"""Commands that messages give: so that they can be typed as they stand, on this run."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.context import Run

PROGRAM = "preceptor"
RUNS = Path("runs")
"""Where run folders are when no flag says it."""


def program() -> str:
    """`preceptor` where a shell finds the one that runs, else the path that was typed to start it.

    Another start, as by `python -m` or in a notebook, says nothing of how a shell calls it: then it has its plain name.
    """
    typed, found = sys.argv[0], shutil.which(PROGRAM)
    if os.path.basename(typed) != PROGRAM or not os.path.exists(typed):
        return PROGRAM
    return PROGRAM if found and os.path.samefile(found, typed) else shlex.quote(typed)


def command(run: Run, words: str) -> str:
    """`preceptor WORDS`, as the user can call it, on this run, in this run folder."""
    return f"{program()} {words} {named(run.file, _own_name(run), run.folder.root.parent)}"


def named(run_file: Path, name: str | None, runs: Path) -> str:
    """The run file as the user gave it, and the flags that lead to its folder."""
    flags = [*(["--name", name] if name else []), *([] if runs == RUNS else ["--runs", str(runs)])]
    return shlex.join([str(run_file), *flags])


def _own_name(run: Run) -> str | None:
    """The run's name, where a flag gave it."""
    from pipeline.load import load_run

    same = not run.file.exists() or load_run(run.file, {}).name == run.config.name
    return None if same else run.config.name
