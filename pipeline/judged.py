"""What a run's stages left, as commands read it that only look: pairs and labels of the run file's constitution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from constitution.errors import DataError
from constitution.files import read_text
from constitution.read_json import json_lines, json_object, read_record
from generate.records import Pair
from judge.records import Label
from judge.verified import check_constitution
from pipeline.context import Run
from pipeline.invoked import command
from pipeline.stage import check_made
from reports.behaviour import BehaviourTable

EDITED = "what an edit would do, `preceptor whatif --constitution NEW.yaml` says while the run file's own is as it was"


class Labelled(NamedTuple):
    """Pairs and labels, in the same order."""

    pairs: list[Pair]
    labels: list[Label]
    best_worst: bool
    """Whether one pair a prompt was selected to be trained on."""


def read_labelled(run: Run, reader: str) -> Labelled:
    """Raises DataError if the run has no labels yet, or has them of other pairs or of another constitution."""
    check_made(run, [run.folder.pairs], reader, "generate")
    check_made(run, [run.folder.labels], reader, "label")
    pairs, labels = list(run.pairs()), list(run.labels())
    if [pair.key for pair in pairs] != [label.pair_key for label in labels]:
        raise other_pairs(run)
    check_constitution(labels, run.constitution, f"{again(run)}; {EDITED}")
    return Labelled(pairs, labels, run.config.generate.pairing == "best_worst")


def again(run: Run) -> str:
    """What makes labels that are not the run's as it is now into such."""
    return f"run `{command(run, 'run')}` first"


def other_pairs(run: Run) -> DataError:
    """For labels that are not of the pairs beside them."""
    return DataError(f"{run.folder.labels}: not the labels of the pairs in {run.folder.pairs.name}: {again(run)}")


def by_the_judge(run: Run, labels: Iterable[Label]) -> Iterator[Label]:
    """The labels one at a time. Raises DataError at the first that is not by the run's judge as it is now."""
    digest_now = run.judge(run.config.judge).digest
    for label in labels:
        if label.judge != digest_now:
            raise DataError(other_judge(run, run.folder.labels.name))
        yield label


def other_judge(run: Run, file: str) -> str:
    """That the labels in `file` are not by the run's judge as it is now, and what to do."""
    return (
        f"{file} holds labels by another judge than `{run.config.judge}` is now: give the flags that it was made with, "
        f"or run `{command(run, 'run')}` with these first"
    )


def read_metrics(run: Run) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl. Raises DataError at one that does not say its step."""
    for row in json_lines(run.folder.metrics):
        if not _has_step(row):
            raise _no_step(run.folder.metrics)
        yield row


def _has_step(row: dict[str, Any]) -> bool:
    return isinstance(row.get("step"), int) and not isinstance(row["step"], bool)


def _no_step(path: Path) -> DataError:
    """Naming the first such line. Only here are lines counted, as an empty one is none of the rows."""
    lines = enumerate(read_text(path).split("\n"), start=1)
    number = next(number for number, line in lines if line.strip() and not _has_step(json_object(line)))
    return DataError(
        f"{path}:{number}: a line of metrics needs `step`, a whole number, and this one has none: put the file back as "
        "training left it, or remove it, and `preceptor train` makes it again"
    )


def read_behaviour(run: Run) -> BehaviourTable:
    """What stage `behaviour` measured."""
    return read_record(run.folder.behaviour, BehaviourTable)
