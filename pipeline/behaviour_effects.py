"""What exchanging a run's constitution is predicted to do to its policy, as a record and in words.

A prediction is made of labels, so there is none where a vote is missing. In its place are two suppositions about the
missing votes, each with its own prediction: neither is a bound, for a new wording may ask for the opposite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from constitution.errors import ConfigError, DataError
from constitution.record import Record
from constitution.wording import listed
from pipeline.exchange import Exchange
from pipeline.followed import followed_trace
from reports.trace.records import WhatIf

if TYPE_CHECKING:
    from pipeline.edited import Edited
    from pipeline.tracing import Opened


class Supposed(Record):
    """A prediction on a supposition about votes that nobody has given."""

    supposing: str
    """The supposition, in words."""
    predicted: WhatIf
    """What would then come of it."""


class BehaviourEffects(Record):
    """What the run's recording predicts of the policy."""

    reason: str | None = None
    """Why nothing is predicted."""
    predicted: WhatIf | None = None
    """The prediction, where no vote on a pair trained on is missing."""
    supposed: tuple[Supposed, ...] = ()
    """Where some are missing: with them as before the edit, and without them."""


def behaviour_effects(change: Exchange) -> BehaviourEffects:
    """From gradients that are there: a diff loads no model and writes nothing."""
    try:
        opened = followed_trace(change.old)
        return _predicted(change, opened)
    except (ConfigError, DataError) as error:
        return BehaviourEffects(reason=str(error))


def _predicted(change: Exchange, opened: Opened) -> BehaviourEffects:
    from pipeline.edited import exchanged, why_unjudged
    from pipeline.whatif import what_if

    without = exchanged(change, opened)
    if not without.unjudged:
        return BehaviourEffects(predicted=what_if(change.old, opened, without))
    return BehaviourEffects(
        reason=why_unjudged(change, without.unjudged),
        supposed=tuple(
            Supposed(supposing=words, predicted=what_if(change.old, opened, edited))
            for words, edited in _suppositions(change, opened, without)
        ),
    )


def _suppositions(change: Exchange, opened: Opened, without: Edited) -> Iterator[tuple[str, Edited]]:
    """The votes from before the edit, where there are any; then no say, where another principle has one."""
    from pipeline.edited import exchanged

    before = exchanged(change, opened, keep_votes=True)
    kept = [i for i in without.unjudged if i not in before.unjudged]
    if kept:
        silent = f", {listed(before.unjudged)} had no say" if before.unjudged else ""
        yield f"{listed(kept)} voted as before the edit{silent}", before
    if without.heard:
        yield f"{listed(without.unjudged)} had no say where not judged", without


def behaviour_lines(found: BehaviourEffects) -> Iterator[str]:
    """In words."""
    if found.predicted is not None:
        yield from _whatif_lines("behaviour, predicted for ", found.predicted, "  ")
        return
    yield f"behaviour: not predicted: {found.reason}"
    if found.supposed:
        yield "  what it would be on a supposition; neither is a bound, the votes themselves may be others:"
    for one in found.supposed:
        yield from _whatif_lines(f"  if {one.supposing}: ", one.predicted, "    ")


def _whatif_lines(head: str, found: WhatIf, indent: str) -> Iterator[str]:
    from reports.trace.words import whatif_lines

    first, *rest = whatif_lines(found)
    yield f"{head}{first.removeprefix('what if: ')}"
    yield from (f"{indent}{line}" for line in rest)
