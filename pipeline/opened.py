"""A command's hold on its run: configuration loaded, folder made and locked, engines closed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from constitution.errors import ConfigError
from constitution.files import write_json
from constitution.load import problem_at
from generate.named import named_in
from pipeline.artefacts import damage_set_aside, damage_told
from pipeline.config import RunConfig
from pipeline.console import Console
from pipeline.context import Run
from pipeline.folder import RunFolder
from pipeline.load import load_run
from pipeline.resolved import resolved


@contextmanager
def opened_run(
    path: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    dry: bool = False,
    *,
    accept: Sequence[str] = (),
    retry_failed: bool = False,
    measure: bool = False,
    track: str | None = None,
) -> Iterator[Run]:
    """The run of this run file and these flags. A dry one makes no folder and holds no lock, unless it may `measure`.

    Raises ConfigError as `load_run` does, StoreError if another process works in the folder.
    """
    # Rows of a tokenizer batch are short here; its threads would only fight torch's, and warn when a process forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    config = load_run(path, flags, settings)
    base = path.resolve().parent
    folder = folder_of(config, path, runs)
    with named_in(path), Console() as console:
        run = Run(
            config,
            base,
            folder,
            console,
            path,
            dry=dry,
            accept=tuple(accept),
            retry_failed=retry_failed,
            measure=measure,
            track=track,
        )
        _check_dial(run, path)
        if dry and not measure:
            with damage_told(folder.root):
                yield run
            return
        folder.create()
        with folder.locked():
            try:
                with damage_set_aside(folder.root):
                    yield run
            finally:
                run.close_engines()


def _check_dial(run: Run, path: Path) -> None:
    """Raises ConfigError at the run file's `trace.dial` where its axes are not the constitution's: found at once, not
    by the stage that comes after training."""
    from reports.dial import axes_fault, two_axes

    axes = run.config.trace.dial if run.config.trace else None
    fault = axes_fault(run.constitution, *two_axes(axes)) if axes else None
    if fault:
        raise ConfigError([problem_at(path, RunConfig, ("trace", "dial"), f"`trace.dial` is `{axes}`: {fault}")])


def note_settings(run: Run) -> None:
    """Write config.resolved.json: what the files that are there were made with."""
    write_json(run.folder.config, resolved(run).model_dump(mode="json"))


def folder_of(config: RunConfig, path: Path, runs: Path) -> RunFolder:
    """The run's folder, and the store of votes that its run file at `path` names."""
    return RunFolder(runs / config.name, path.resolve().parent / config.votes if config.votes else None)
