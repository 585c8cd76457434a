"""`--track trackio|wandb|tensorboard`: the lines of metrics.jsonl also sent to an experiment tracker, as they come.

The trackers are optional (the extra `track`). What they get is read from metrics.jsonl, which is written in any case,
so that a tracker changes nothing of the training, and a later call with `--track` sends what is missing. A step is
sent once: each tracker says up to which step it has a training, and a resumed one goes on from there.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from constitution.errors import ConfigError, Problem
from constitution.files import write_json
from constitution.identity import digest
from constitution.progress import Progress, Tick
from constitution.read_json import json_object, read_json_lines, read_object
from pipeline.context import Run

PROJECT = "preceptor"
TRAINING = "training"


class Training(NamedTuple):
    """One training as a tracker knows it: an id that another training of the same run folder does not share."""

    id: str
    folder: Path
    facts: dict[str, JsonValue]
    noted: int
    """The last step that this tracker was sent, as the run folder has it; 0 if none."""


class Tracker(NamedTuple):
    """An open tracker. `known`: the last step that it has. `where`: where to look at it."""

    known: int
    log: Callable[[int, Mapping[str, float]], None]
    close: Callable[[], None]
    where: str


def tensorboard(training: Training) -> Tracker:
    """Event files in the run folder, flushed after every step, so that they themselves say how far they go."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder = training.folder / "tensorboard" / training.id
    found = EventAccumulator(str(folder)).Reload() if folder.is_dir() else None
    known = max((found.Scalars(tag)[-1].step for tag in found.Tags()["scalars"]), default=0) if found else 0
    writer = EventFileWriter(str(folder))

    def log(step: int, values: Mapping[str, float]) -> None:
        shown = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=shown)))
        writer.flush()

    return Tracker(known, log, writer.close, f"tensorboard --logdir {folder.parent}")


def wandb(training: Training) -> Tracker:
    """Online or, with WANDB_MODE=offline, in `wandb/` of the run folder. Nothing of machine, code or environment is
    sent; the key stays where wandb keeps it."""
    import wandb as library

    private = library.Settings(
        silent=True, console="off", x_disable_meta=True, x_disable_stats=True, disable_git=True, save_code=False
    )
    try:
        run = library.init(
            project=PROJECT,
            id=training.id,
            name=training.id,
            dir=str(training.folder),
            resume="allow",
            config=training.facts,
            settings=private,
        )
    except library.errors.Error as error:
        raise _refused("wandb", f"cannot be started ({error}); WANDB_MODE=offline keeps all of it here") from error
    known = max(training.noted, run.step - 1)
    where = run.url or f"wandb sync {training.folder / 'wandb'}"
    return Tracker(known, lambda step, values: run.log(dict(values), step=step, commit=True), run.finish, where)


def trackio(training: Training) -> Tracker:
    """On this machine, in trackio's own folder (TRACKIO_DIR)."""
    import trackio as library

    with redirect_stdout(io.StringIO()):
        library.init(
            project=PROJECT,
            name=training.id,
            resume="allow",
            config=training.facts,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
    known = library.SQLiteStorage.get_max_step_for_run(PROJECT, training.id) or 0

    def close() -> None:
        with redirect_stdout(io.StringIO()):
            library.finish()

    where = f"trackio show --project {PROJECT}"
    return Tracker(known, lambda step, values: library.log(dict(values), step=step), close, where)


TRACKERS: dict[str, Callable[[Training], Tracker]] = {"trackio": trackio, "wandb": wandb, "tensorboard": tensorboard}


def check_tracker(name: str | None, command: str) -> None:
    """Raises ConfigError for a tracker that does not exist, or a command that trains nothing."""
    if name is None:
        return
    if command not in ("run", "train"):
        raise ConfigError([Problem("--track", 0, 1, f"`preceptor {command}` trains nothing: give it to run or train")])
    if name not in TRACKERS:
        raise ConfigError([Problem("--track", 0, 1, f"`{name}`: expected one of {', '.join(TRACKERS)}")])


class Sender:
    """Sends the lines of a metrics file that a tracker does not have yet. A tracker that fails ends the sending, not
    the training."""

    def __init__(self, run: Run, tracker: Tracker, training_id: str) -> None:
        self._run = run
        self._tracker = tracker
        self._id = training_id
        self._last = tracker.known
        self._read = 0
        self._works = True
        self.sent = 0

    def send(self) -> None:
        """Everything that is in the file by now."""
        metrics = self._run.folder.metrics
        if not self._works or not metrics.exists():
            return
        with metrics.open("rb") as stream:
            stream.seek(self._read if metrics.stat().st_size >= self._read else 0)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._read = stream.tell()
                self._line(_row(metrics, line))

    def _line(self, row: dict[str, JsonValue]) -> None:
        step = row["step"]
        assert isinstance(step, int)
        if step <= self._last or not self._works:
            return
        try:
            self._tracker.log(step, flat(row))
        # Whatever a foreign library raises: the training must not end by it, and the user must know.
        except Exception as error:
            self._works = False
            self._run.console.say(
                f"  warning: tracking with `{self._run.track}` stopped at step {step}: {error}; metrics.jsonl goes on, "
                "and the same command sends the rest afterwards"
            )
            return
        self._last, self.sent = step, self.sent + 1
        write_json(_note(self._run), {"id": self._id, "step": step})


def flat(row: Mapping[str, JsonValue], prefix: str = "") -> dict[str, float]:
    """The numbers of a line of metrics.jsonl under its own keys, nested ones as `principles/ID/margin`."""
    found: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[prefix + key] = value
    return {key: value for key, value in found.items() if key != "step"}


@contextmanager
def tracked(run: Run, inputs: Mapping[str, str], progress: Progress) -> Iterator[Progress]:
    """The progress to train with; what is not yet sent follows at the end. Opened before anything is trained, so that a
    tracker that is not there, or does not start, costs nothing."""
    if run.track is None:
        yield progress
        return
    training = _training(run, inputs)
    tracker = _opened(run.track, training)
    sender = Sender(run, tracker, training.id)

    def tick(tick: Tick) -> None:
        progress(tick)
        if tick.what == TRAINING:
            sender.send()

    try:
        yield tick
        sender.send()
    finally:
        tracker.close()
    run.console.say(f"  tracked: {sender.sent} steps sent to {run.track}; look at them with: {tracker.where}")


def _row(metrics: Path, line: bytes) -> dict[str, JsonValue]:
    try:
        return json_object(line)
    except (ValueError, RecursionError):
        read_json_lines(metrics)  # which says what is wrong, and where
        raise


def send_missing(run: Run, inputs: Mapping[str, str]) -> None:
    """Of a training that was finished before: what the tracker lacks, if it lacks anything."""
    assert run.track is not None
    done = read_object(run.folder.training, needs=("steps",))["steps"]
    if _training(run, inputs).noted < done:
        with tracked(run, inputs, lambda tick: None):
            pass


def _training(run: Run, inputs: Mapping[str, str]) -> Training:
    found = digest("tracked", inputs=dict(inputs))[:8]
    name = f"{run.config.name}-{found}"
    note = read_object(_note(run)) if _note(run).exists() else {}
    facts: dict[str, JsonValue] = {
        "run": run.config.name,
        "constitution": run.constitution.key,
        "model": run.config.model,
        "judge": run.config.judge,
        "seed": run.config.seed,
        "train": run.config.train.model_dump(mode="json"),
    }
    return Training(name, run.folder.root.resolve(), facts, note["step"] if note.get("id") == name else 0)


def _note(run: Run) -> Path:
    return run.folder.root / f".tracked-{run.track}.json"


def _opened(name: str, training: Training) -> Tracker:
    try:
        return TRACKERS[name](training)
    except ImportError as error:
        raise _refused(name, f"is not installed ({error}): pip install 'preceptor[track]'") from error


def _refused(name: str, why: str) -> ConfigError:
    return ConfigError([Problem("--track", 0, 1, f"`{name}` {why}")])
