"""What a dry run says of the time of stages that have no pace of their own: by their last execution in this run folder.

Every stage that is foretold leaves in `Run.foreseen` what it takes, so that there is a total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from constitution.wording import plural
from pipeline.console import duration
from pipeline.context import Run

NOT_MEASURED = "time: no estimate: nothing measured yet"


def time_by_last(run: Run, stage: str, done: int, wanted: int, what: str, untimed: str) -> str:
    """In words, what `wanted` units of work take where the last execution took its time for `done` of them. `untimed`
    is what else was there and did not have to be done. Another model is another pace."""
    took = _last(run, stage)
    if took is None or not done:
        return NOT_MEASURED
    run.foreseen[stage] = took / done * wanted
    last = f"the last time took {duration(took)} for {plural(done, what)}"
    return f"time: about {duration(took / done * wanted)}: {last} ({untimed})"


def with_time(run: Run, stage: str, lines: Sequence[str]) -> Iterator[str]:
    """A stage's preview, with its time: what it said itself, or what its last execution took."""
    yield from lines
    if stage in run.foreseen:
        return
    took = None if NOT_MEASURED in lines else _last(run, stage)
    run.foreseen[stage] = took
    if took is not None:
        yield f"time: about {duration(took)}, as the last time"


def _last(run: Run, stage: str) -> float | None:
    """Seconds of the last execution; None where there was none, or it was of another model."""
    stamp = run.folder.stamp(stage)
    if stamp is None or stamp.inputs.get("model", run.reference.revision) != run.reference.revision:
        return None
    return stamp.seconds


def total_line(foreseen: Mapping[str, float | None]) -> str | None:
    """The sum of what is known, and for which stages nothing is; None where there is nothing to add up."""
    known = {stage: seconds for stage, seconds in foreseen.items() if seconds is not None}
    unknown = ", ".join(stage for stage in foreseen if stage not in known)
    if len(foreseen) < 2:
        return None
    if not known:
        return f"time in all: no estimate yet: {unknown} were not timed here before"
    parts = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in known.items())
    rest = f"; without {unknown}, of which there is no estimate" if unknown else ""
    return f"time in all: about {duration(sum(known.values()))} ({parts}){rest}"
