"""Early stop: a pure function of the held-out margins in their order, so that a continued training stops where the
undisturbed one does."""

from __future__ import annotations

from constitution.record import Record
from train.records import Figures
from train.settings import EarlyStop
from train.watch import Watched


class Best(Record):
    """The held-out evaluation with the highest margin so far."""

    step: int
    """The steps done when it was made."""
    heldout: Figures
    """Its figures."""
    watched: tuple[Watched, ...]
    """What the watch-dogs saw."""
    since: int
    """Evaluations after it."""


def judged(best: Best | None, step: int, heldout: Figures, watched: tuple[Watched, ...], settings: EarlyStop) -> Best:
    """After another evaluation: a new best if its margin is above the old one's by more than `min_delta`."""
    if best is None or _margin(heldout) > _margin(best.heldout) + settings.min_delta:
        return Best(step=step, heldout=heldout, watched=watched, since=0)
    return best.model_copy(update={"since": best.since + 1})


def is_over(best: Best | None, settings: EarlyStop | None) -> bool:
    """Whether there were `patience` evaluations after the best."""
    return best is not None and settings is not None and best.since >= settings.patience


def _margin(heldout: Figures) -> float:
    assert heldout.margin is not None, "suits() has seen that there is a decided pair"
    return heldout.margin
