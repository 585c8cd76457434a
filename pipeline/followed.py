"""The trace of a run whose training somebody has followed: for commands that load no model and write nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitution.errors import DataError
from pipeline.context import Run

if TYPE_CHECKING:
    from pipeline.tracing import Opened


def followed_trace(run: Run) -> Opened:
    """Raises DataError where there is no recording of the run's training, or nobody has followed it yet."""
    if not run.folder.recording.exists():
        raise DataError("the run has no recording of its training")
    from pipeline.tracing import opened_trace

    return opened_trace(run, follow=False)
