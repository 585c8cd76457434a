"""What a stage is, and when it is done: when its inputs are what they were and its outputs are still there."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from constitution.errors import DataError
from constitution.identity import file_digest
from pipeline.changes import changed_words
from pipeline.config import RunConfig
from pipeline.console import duration
from pipeline.context import Run
from pipeline.expected import with_time
from pipeline.folder import RunFolder, Stamp
from pipeline.invoked import command
from pipeline.resolved import used_now

COMMANDS_OF_STAGES = ("generate", "judge", "second-opinion", "label", "train", "behaviour", "report")
"""Commands that do one stage alone."""


class Stage(NamedTuple):
    """One step of the run: plain functions over the run and its folder."""

    name: str
    needs: tuple[str, ...]
    """Stages whose outputs it reads."""
    inputs: Callable[[Run], dict[str, str]]
    """Digest of everything that determines its outputs, by a printable name."""
    uses: Callable[[RunConfig], dict[str, JsonValue]]
    """The settings that they depend on, whether or not a change of these makes it run again (pipeline/used.py)."""
    outputs: Callable[[RunFolder], list[Path]]
    """The files or folders that it leaves."""
    execute: Callable[[Run], list[str]]
    """Do it; returns the lines that say what came out."""
    preview: Callable[[Run], list[str]]
    """Say what executing it would compute, without computing it."""
    unfinished: Callable[[Run], str | None] = lambda run: None
    """Why it must be done again although nothing changed; None if it need not."""
    keeps: Callable[[RunFolder], list[Path]] = lambda folder: []
    """Files that its next execution may build on, if nobody has touched them since."""
    marks: Callable[[Run], dict[str, str]] = lambda run: {}
    """What it recognises again next time, besides these files, by a name."""


def reason_to_run(stage: Stage, run: Run, inputs: dict[str, str]) -> str | None:
    """Why the stage has something to do; None if it has not."""
    stamp = run.folder.stamp(stage.name)
    if stamp is None:
        return "not done yet"
    gone = [path.name for path in stage.outputs(run.folder) if not path.exists()]
    if gone:
        return f"missing: {', '.join(gone)}"
    changed = changed_words(run, stamp, inputs)
    if changed:
        return f"changed: {enumerated(changed)}"
    return stage.unfinished(run)


def enumerated(names: Sequence[str], most: int = 6) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def check_needs(stage: Stage, run: Run, stages: dict[str, Stage], reader: str | None = None) -> None:
    """Raise DataError naming the command that makes what this stage reads, if it is not there. `reader` is who asks for
    it in the stage's place."""
    for need in stage.needs:
        check_made(run, stages[need].outputs(run.folder), reader or stage.name, need)


def check_made(run: Run, paths: Sequence[Path], reader: str, maker: str) -> None:
    """Raise DataError naming the stage `maker` if one of its outputs, which `reader` reads, is not there.

    Who goes from stage to stage is told the next one too; all others, what gets there at once.
    """
    if (missing := next((path for path in paths if not path.exists()), None)) is None:
        return
    whole = f"`{command(run, 'run')}`"
    what = f"`{command(run, maker)}` first, or {whole} for all" if reader in COMMANDS_OF_STAGES else f"{whole} first"
    where = str(missing) if missing.is_absolute() else f"{missing} in {Path.cwd()}"
    raise DataError(f"`{reader}` reads {missing.name}, which `{maker}` makes, but there is no {where}: run {what}")


def run_stage(stage: Stage, run: Run) -> bool:
    """Do the stage if it has something to do, and say why or why not. Returns whether it did."""
    inputs = stage.inputs(run)
    reason = reason_to_run(stage, run, inputs)
    stamp = run.folder.stamp(stage.name)
    if reason is None:
        assert stamp is not None
        run.console.stage(stage.name, "nothing to do")
        run.console.heading(f"{stage.name}: nothing to do, inputs unchanged since {stamp.finished}")
        return False
    run.console.heading(f"{stage.name}: {reason}")
    run.console.stage(stage.name, "running")
    began, started = _now(), time.monotonic()
    summary = stage.execute(run)
    seconds = time.monotonic() - started
    run.folder.write_stamp(
        Stamp(
            stage=stage.name,
            inputs=inputs,
            seconds=round(seconds, 1),
            peak_mib=peak_mib(),
            started=began,
            finished=_now(),
            summary=tuple(summary),
            left={path.name: file_digest(path) for path in stage.keeps(run.folder)} | stage.marks(run),
            used=used_now(run, stage.uses(run.config)),
        )
    )
    for line in summary:
        run.console.say(f"  {line}")
    run.console.say(f"  done in {duration(seconds)}")
    run.console.stage(stage.name, "done")
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def preview_stage(stage: Stage, run: Run, upstream_runs: bool, stages: dict[str, Stage]) -> bool:
    """Say what `run_stage` would do. Returns whether it would do anything."""
    ready = all(path.exists() for need in stage.needs for path in stages[need].outputs(run.folder))
    if not ready:
        run.console.heading(f"{stage.name}: would run after {', '.join(stage.needs)}")
    else:
        reason = reason_to_run(stage, run, stage.inputs(run))
        if reason is None and not upstream_runs:
            run.console.heading(f"{stage.name}: nothing to do")
            return False
        run.console.heading(f"{stage.name}: would run ({reason or 'if the stages before it change their outputs'})")
    for line in with_time(run, stage.name, stage.preview(run)):
        run.console.say(f"  {line}")
    return True


def peak_mib() -> int:
    """Peak resident memory of this process so far, in MiB (ru_maxrss is in KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024) if sys.platform == "darwin" else peak // 1024
