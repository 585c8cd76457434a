"""`preceptor train` as torchrun starts it, several times at once: the first process runs the stage, the others help.

    torchrun --standalone --nproc-per-node 2 $(which preceptor) train RUN.yaml

Only the first holds the run folder's lock, writes and speaks. The others wait for its word, since it alone finds out
whether there is anything to train. What torchrun says of itself is in its environment variables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from constitution.errors import PreceptorError


def several() -> bool:
    """Whether torchrun started more than this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_helper() -> bool:
    """Whether this process is another than the first of several."""
    return several() and os.environ.get("RANK", "0") != "0"


@contextmanager
def leaving() -> Iterator[None]:
    """One of several processes ends at its sys.exit, without Python's own clearing up.

    FSDP's caches keep the process group beyond its destruction, and with it gloo's threads: one that wakes in an
    interpreter that is half gone aborts the process (pytorch/pytorch#190489), though everything is done and saved.
    """
    try:
        yield
    except SystemExit as ended:
        if not several() or isinstance(ended.code, str):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code or 0)


def check_command(command: str) -> None:
    """Raises PreceptorError for a command that several processes cannot share."""
    if several() and command != "train":
        raise PreceptorError(
            f"torchrun started {os.environ['WORLD_SIZE']} processes, but only `preceptor train` is shared among them: "
            f"start `preceptor {command}` without torchrun"
        )


@contextmanager
def joined(alone: bool) -> Iterator[None]:
    """In the first process, around its command; at the end the others are sent home if they were not called.

    Nobody is called if `alone`, as in a dry run.
    """
    if alone or not several():
        yield
        return
    from train import team

    with team.joined():
        try:
            yield
        finally:
            team.send("nothing to train")


def help_training(path: Path, flags: Mapping[str, object], settings: Sequence[str], runs: Path, alone: bool) -> None:
    """In another process: take part in the training, if there is one. Nothing to do where the first is `alone`."""
    if alone:
        return
    from constitution.progress import silent
    from pipeline.console import Console
    from pipeline.context import Run
    from pipeline.load import load_run
    from pipeline.opened import folder_of
    from pipeline.stage_train import CALL, train_policy
    from train import team

    config = load_run(path, flags, settings)
    with team.joined():
        if team.heard() == CALL:
            run = Run(config, path.resolve().parent, folder_of(config, path, runs), Console())
            train_policy(run, Path(":memory:"), silent)
