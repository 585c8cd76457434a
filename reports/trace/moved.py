"""Who moved a behaviour, or the log-probability of one answer: principles with intervals, pairs ranked.

Shapes: N pairs trained on, K principles, J held-out pairs (or answers).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reports.statistics import Interval, p_value, paired_bootstrap
from reports.trace.records import Moved, PairPart, Part
from reports.trace.whatif import RESAMPLES, HeldOut, by_prompt

LISTED = 8
ONE_ANSWER = "one answer"


def moved_margin(
    heldout: HeldOut, principle: str, began_J: Tensor, parts_N_K_J: Tensor, pairs: Sequence[str], seed: int
) -> Moved:
    """The change of a principle's mean margin on the held-out pairs; `pairs` are the keys of the N."""
    column = heldout.principles.index(principle)
    change_J = heldout.seen.h_B - began_J

    def mean(name: str, values_J: Tensor) -> Part:
        values_P = by_prompt(heldout, column, values_J)
        interval = paired_bootstrap(values_P, RESAMPLES, 0.95, seed)
        return Part(principle=name, contribution=interval, p=p_value(values_P, 0.0))

    parts = [mean(name, parts_N_K_J[:, place].sum(0)) for place, name in enumerate(heldout.principles)]
    whole = mean(principle, change_J)
    weights_J = _mean_weights(heldout, column)
    by_pair_N_K = torch.einsum("nkj,j->nk", parts_N_K_J, weights_J)
    what = f"margin of `{principle}` on held-out pairs"
    found = _moved(what, whole.contribution, parts, by_pair_N_K, heldout.principles, pairs)
    return found.model_copy(update={"p": whole.p})


def moved_answer(
    change: float, parts_N_K_1: Tensor, principles: Sequence[str], pairs: Sequence[str], what: str
) -> Moved:
    """The change of one answer's log-probability, in nats."""
    parts = [
        Part(principle=name, contribution=_alone(float(parts_N_K_1[:, place, 0].sum())))
        for place, name in enumerate(principles)
    ]
    return _moved(what, _alone(change), parts, parts_N_K_1[:, :, 0], principles, pairs)


def _moved(
    what: str,
    measured: Interval,
    parts: list[Part],
    by_pair_N_K: Tensor,
    principles: Sequence[str],
    pairs: Sequence[str],
) -> Moved:
    ranked = sorted(
        (
            PairPart(
                pair=key,
                contribution=float(row_K.sum()),
                by_principle=dict(zip(principles, row_K.tolist(), strict=True)),
            )
            for key, row_K in zip(pairs, by_pair_N_K, strict=True)
        ),
        key=lambda part: (-part.contribution, part.pair),
    )
    return Moved(
        what=what,
        measured=measured,
        explained=float(by_pair_N_K.sum()),
        principles=tuple(sorted(parts, key=lambda part: (-abs(part.contribution.estimate), part.principle))),
        raised=tuple(part for part in ranked[:LISTED] if part.contribution > 0),
        lowered=tuple(part for part in ranked[::-1][:LISTED] if part.contribution < 0),
        pairs=len(pairs),
    )


def _mean_weights(heldout: HeldOut, column: int) -> Tensor:
    """What each held-out pair counts in the mean over prompts, times 2 p_k - 1; 0 without an opinion."""
    lean_J = heldout.lean_J_K[:, column]
    there = [prompt for prompt, lean in zip(heldout.prompts, lean_J.tolist(), strict=True) if lean == lean]
    prompts = len(set(there))
    sizes = torch.tensor([1.0 / max(1, there.count(prompt)) for prompt in heldout.prompts], dtype=torch.float64)
    return lean_J.nan_to_num(0.0) * sizes / prompts


def _alone(value: float) -> Interval:
    return Interval(estimate=value, low=None, high=None, n=1, method="none", note=ONE_ANSWER)
