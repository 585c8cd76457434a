"""Single responses of an import as the trainer takes them: for a loss that learns from thumbs up and down."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from constitution.files import read_records
from constitution.identity import digest, file_digest
from generate.records import response_key
from judge.imports.found import Single
from pipeline.context import Run
from train.records import TrainPair, TrainSingle

LOSSES_OF_SINGLES = ("kto",)


def single_inputs(run: Run) -> dict[str, str]:
    """What stage `train` is made from besides labels; empty where no single response is trained on."""
    return {"singles": file_digest(run.folder.singles)} if _used(run) else {}


def read_singles(run: Run, pairs: Sequence[TrainPair]) -> list[TrainSingle]:
    """The run's single responses for this loss; none that a labelled pair trains on already."""
    return training_singles(read_records(run.folder.singles, Single), pairs) if _used(run) else []


def unused_singles(run: Run) -> str | None:
    """What to tell somebody whose single responses this loss cannot use."""
    if not run.config.pairs or not run.folder.singles.exists() or _used(run):
        return None
    count = len(read_records(run.folder.singles, Single))
    return (
        f"{count} single responses were not trained on as such: {run.config.train.loss} compares two answers; "
        f"`train.loss: {LOSSES_OF_SINGLES[0]}` learns from them"
    )


def _used(run: Run) -> bool:
    return bool(run.config.pairs) and run.config.train.loss in LOSSES_OF_SINGLES and run.folder.singles.exists()


def training_singles(singles: Iterable[Single], pairs: Sequence[TrainPair]) -> list[TrainSingle]:
    """Each different response once, p being the share of its ratings that are up; paired responses are left out.

    What is in a labelled pair is evidence there; counted again here, it would count double.
    """
    paired = {(pair.conversation, text) for pair in pairs for text in (pair.a, pair.b)}
    ratings: dict[str, list[Single]] = defaultdict(list)
    for single in singles:
        if (single.prompt.conversation, single.response) not in paired:
            ratings[response_key(single.prompt.key, single.response)].append(single)
    return [
        TrainSingle(
            key=digest("single", response=key),
            prompt_id=given[0].prompt.id,
            conversation=given[0].prompt.conversation,
            text=given[0].response,
            p=math.fsum(single.up for single in given) / len(given),
        )
        for key, given in ratings.items()
    ]
