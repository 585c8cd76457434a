"""The stores of a run on a part of the prompts -> the stores of a run on all of them.

Records are found by what determined them, so nothing has to be matched: what this run will look for is what a part has
stored. A part that is still being worked on can be taken over as far as it is, and once more later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from constitution.errors import DataError, harmless
from constitution.progress import Tick
from constitution.store import Store
from generate.sampling import SampleSet
from judge.records import Vote
from pipeline.context import Run
from pipeline.folder import RunFolder

RecordT = TypeVar("RecordT", bound=BaseModel)
BATCH_RECORDS = 1000


def part_folder(path: Path) -> RunFolder:
    """A run folder with answers or votes in it. Raises DataError for any other."""
    folder = RunFolder(path)
    if not (folder.samples.is_file() or folder.votes.is_file()):
        raise DataError(
            f"{harmless(str(path))}: not a run folder to take from: neither {folder.samples.name} nor "
            f"{folder.votes.name} is in it"
        )
    return folder


def merge_part(run: Run, part: RunFolder) -> list[str]:
    """Commit, a batch at a time, what the run's stores have not; returns what there is to say.

    A record that is here stays, but for a vote that failed on its way, which a part's result replaces.
    """
    run.folder.create()
    lines = []
    if part.samples.is_file():
        with run.sample_store() as answers, Store(part.samples, SampleSet) as others:
            lines.append(_merge(run, part, "prompts' answers", answers, others, lambda _: True))
    if part.votes.is_file():
        with run.vote_store() as votes, Store(part.votes, Vote) as other_votes:
            lines.append(_merge(run, part, "votes", votes, other_votes, lambda vote: vote.settled))
    return lines


def _merge(
    run: Run,
    part: RunFolder,
    what: str,
    store: Store[RecordT],
    other: Store[RecordT],
    is_final: Callable[[RecordT], bool],
) -> str:
    found = taken = 0
    total = len(other)
    for batch in other.batches(BATCH_RECORDS):
        known = {key for key, record in store.get(batch).items() if is_final(record)}
        store.settle({key: record for key, record in batch.items() if key not in known}, is_final)
        found += len(batch)
        taken += len(batch) - len(known)
        run.console.tick(Tick(f"taking over {what}", found, total))
    return f"{part.root.name}: {found} {what}, {taken} of them new here"
