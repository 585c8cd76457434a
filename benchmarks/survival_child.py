"""The process that is killed: the real command line, with a SIGKILL at a chosen point of it.

Points are counted as they are passed: before a file is fsynced, before and after it is renamed (the folder is fsynced
after that), before a batch is committed to a store and after it, at a tick of progress; or a moment by the clock.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

POINTS = ("before fsync", "before rename", "after rename", "before commit", "after commit", "tick")
ASKED, PASSED, SAID = "asked.txt", "passed.txt", "said.txt"
"""Beside the run file: keys of the votes that were asked, points passed, and what the command said."""


class Kill(NamedTuple):
    """SIGKILL at the `at`-th point of this kind, counted from 1; for kind `moment`, `at` thousandths of a second in."""

    kind: str
    at: int


def run_command(folder: Path, arguments: Sequence[str], kill: Kill | None) -> None:
    """`preceptor ARGUMENTS` in `folder`, until it ends or is killed. Exits with the command's code."""
    os.chdir(folder)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    import torch

    torch.set_num_threads(1)
    passed = _watch(kill)
    _note_asked()
    from pipeline.cli import entry

    if kill and kill.kind == "moment":
        threading.Timer(kill.at / 1000, _die).start()
    sys.argv = ["preceptor", *arguments]
    started = time.monotonic()
    try:
        entry()
    finally:
        # Thousandths of a second: a clock's points, so that a moment can be drawn from them.
        passed["moment"] = round(1000 * (time.monotonic() - started))
        Path(PASSED).write_text("\n".join(f"{kind}\t{count}" for kind, count in passed.items()))
        sys.stdout.flush()
        # Nothing more of this process counts; a timer that has not rung must not ring while it ends.
        code = sys.exc_info()[1]
        status = code.code if isinstance(code, SystemExit) else 1 if code else 0
        os._exit(status if isinstance(status, int) else 0)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(kill: Kill | None) -> Counter[str]:
    """Count the points of every kind; die at the chosen one."""
    from constitution.store import Store
    from pipeline.console import Console

    passed = Counter[str]()

    def point(kind: str) -> None:
        passed[kind] += 1
        if kill and (kind, passed[kind]) == (kill.kind, kill.at):
            _die()

    fsync, rename, tick, transaction = os.fsync, os.replace, Console.tick, Store._transaction

    def watched_fsync(descriptor: Any) -> None:
        point("before fsync")
        fsync(descriptor)

    def watched_rename(source: Any, target: Any) -> None:
        point("before rename")
        rename(source, target)
        point("after rename")

    def watched_tick(console: Console, progress: Any) -> None:
        point("tick")
        tick(console, progress)

    @contextmanager
    def watched_transaction(store: Any) -> Iterator[None]:
        with transaction(store):
            yield
            point("before commit")
        point("after commit")

    os.fsync, os.replace = watched_fsync, watched_rename  # type: ignore[assignment]
    Console.tick = watched_tick  # type: ignore[method-assign]
    Store._transaction = watched_transaction  # type: ignore[method-assign]
    return passed


def _note_asked() -> None:
    """Write every vote's key down, durably enough for a SIGKILL, before its question is put to the model."""
    from judge.llm import JudgeByModel

    notes = os.open(ASKED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    vote: Callable[..., Any] = JudgeByModel.vote

    def noted(judge: Any, asks: Sequence[Any]) -> Any:
        os.write(notes, "".join(f"{ask.request.key}\n" for ask in asks).encode())
        return vote(judge, asks)

    JudgeByModel.vote = noted  # type: ignore[method-assign]
