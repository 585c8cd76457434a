"""What a run's stages left, as commands read it that only look: pairs and labels of the run file's constitution."""

from __future__ import annotations

from typing import Any, NamedTuple

from constitution.errors import DataError
from constitution.read_json import read_json_lines, read_record
from generate.records import Pair
from judge.records import Label
from judge.verified import AGAIN, check_constitution
from pipeline.context import Run
from pipeline.stage import check_made
from reports.behaviour import BehaviourTable


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
        raise DataError(f"{run.folder.labels}: not the labels of the pairs in {run.folder.pairs.name}: {AGAIN}")
    check_constitution(labels, run.constitution)
    return Labelled(pairs, labels, run.config.generate.pairing == "best_worst")


def read_metrics(run: Run) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return read_json_lines(run.folder.metrics)


def read_behaviour(run: Run) -> BehaviourTable:
    """What stage `behaviour` measured."""
    return read_record(run.folder.behaviour, BehaviourTable)
