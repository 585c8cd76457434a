"""What a dry run says of the time of a stage that has no pace of its own: by its last execution in this run folder."""

from __future__ import annotations

from constitution.wording import plural
from pipeline.console import duration
from pipeline.context import Run

NOT_MEASURED = "time: no estimate: nothing measured yet"


def time_by_last(run: Run, stage: str, done: int, wanted: int, what: str, untimed: str) -> str:
    """In words, what `wanted` units of work take where the last execution took its time for `done` of them. `untimed`
    is what else was there and did not have to be done. Another model is another pace."""
    stamp = run.folder.stamp(stage)
    if stamp is None or not done or stamp.inputs.get("model") != run.reference.revision:
        return NOT_MEASURED
    took = f"{duration(stamp.seconds)} for {plural(done, what)}"
    return f"time: about {duration(stamp.seconds / done * wanted)}, by its last execution here: {took}, {untimed}"
