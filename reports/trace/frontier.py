"""The dial's behaviour side: how the policy's margins along two axes trade as weight moves from one to the other,
predicted, and really retrained where that was done.

An axis' margin on a held-out pair is the mean over its principles of (2 p_k - 1) h, of those with an opinion.

Shapes: J held-out pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from reports.statistics import Interval, paired_bootstrap
from reports.trace.records import Frontier, FrontierPoint
from reports.trace.whatif import RESAMPLES, HeldOut, prompt_means


class Margins(NamedTuple):
    """h of the held-out pairs [J] at one position: predicted, and of a real retraining."""

    t: float
    predicted_J: Tensor
    retrained_J: Tensor | None


def frontier(
    heldout: HeldOut,
    first: Sequence[str],
    second: Sequence[str],
    names: tuple[str, str],
    found: Sequence[Margins],
    seed: int,
) -> Frontier:
    """`first` and `second` are the principles of the axes `names`; each has an opinion on some held-out pair."""
    leans = [axis_lean(heldout, principles) for principles in (first, second)]

    def both(margins_J: Tensor | None) -> tuple[Interval | None, Interval | None]:
        one, two = (None if margins_J is None else _mean(heldout, lean_J, margins_J, seed) for lean_J in leans)
        return one, two

    points = []
    for position in found:
        predicted, retrained = both(position.predicted_J), both(position.retrained_J)
        assert predicted[0] is not None
        assert predicted[1] is not None
        points.append(
            FrontierPoint(
                t=position.t,
                predicted_first=predicted[0],
                predicted_second=predicted[1],
                retrained_first=retrained[0],
                retrained_second=retrained[1],
            )
        )
    own, other = found[0].predicted_J, found[-1].predicted_J
    return Frontier(
        first=names[0],
        second=names[1],
        points=tuple(points),
        turn_first=_mean(heldout, leans[0], own - other, seed),
        turn_second=_mean(heldout, leans[1], other - own, seed),
    )


def axis_lean(heldout: HeldOut, principles: Sequence[str]) -> Tensor:
    """Mean of 2 p_k - 1 over these principles [J]; NaN where none has an opinion."""
    columns = [heldout.principles.index(one) for one in principles if one in heldout.principles]
    if not columns:
        return torch.full((len(heldout.keys),), torch.nan, dtype=torch.float64)
    return heldout.lean_J_K[:, columns].nanmean(1)


def _mean(heldout: HeldOut, lean_J: Tensor, margins_J: Tensor, seed: int) -> Interval:
    return paired_bootstrap(prompt_means(heldout.prompts, lean_J * margins_J), RESAMPLES, 0.95, seed)
