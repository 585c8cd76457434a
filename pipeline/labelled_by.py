"""Whose labels a run has, where they are not by the judge that its run file and the flags name."""

from __future__ import annotations

from constitution.errors import DataError
from pipeline.context import Run
from pipeline.judged import by_the_judge


def check_judge(run: Run) -> None:
    """Raises DataError, naming the flag that is lacking, if the run's labels are not by its judge as it is now."""
    try:
        for _ in by_the_judge(run, run.labels()):
            pass
    except DataError as error:
        raise DataError(f"{error}{hint(run)}") from error


def hint(run: Run) -> str:
    """What else to do where another entry of `judges` made the labels: name it. Nothing where that is not known, or it
    is the same entry with other settings."""
    stamp = run.folder.stamp("label")
    name = stamp.used.config.get("judge") if stamp and stamp.used else None
    if not isinstance(name, str) or name == run.config.judge or name not in run.config.judges:
        return ""
    return f"; or, if the labels by `{name}` are meant, give `--judge {name}`"
