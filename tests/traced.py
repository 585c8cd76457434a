"""A trace's report made without a training: real records and intervals, invented effects."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from constitution.model import Constitution
from generate.records import Pair, Prompt
from reports.statistics import Interval, p_value, paired_bootstrap
from reports.trace.records import (
    AnswerMoved,
    Frontier,
    FrontierPoint,
    Moved,
    PairPart,
    Part,
    Predicted,
    TracedPair,
    TraceReport,
    Without,
)

HELDOUT = 12
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)


def trace_report(
    rng: random.Random, constitution: Constitution, pairs: Sequence[Pair], heldout: Sequence[Prompt], answer: str
) -> TraceReport:
    """Every principle moves its own margin most; the dial turns between the constitution's first two axes."""
    ids = [principle.id for principle in constitution.principles]
    shown = {pair.key: _shown(pair) for pair in pairs[:4]}
    first, second = list(dict.fromkeys(principle.axis for principle in constitution.principles))[:2]
    return TraceReport(
        pairs=len(pairs),
        heldout=HELDOUT,
        behaviours={name: _moved(rng, name, ids, list(shown)) for name in ids},
        without=tuple(_without(rng, name, ids) for name in ids),
        frontier=Frontier(first=first, second=second, points=tuple(_point(rng, t) for t in POSITIONS)),
        candidates=len(heldout),
        answers=tuple(
            AnswerMoved(
                conversation=prompt.conversation,
                text=answer,
                tokens=20,
                moved=_moved(rng, "answer", ids, list(shown)),
            )
            for prompt in heldout[:2]
        ),
        shown=shown,
    )


def _shown(pair: Pair) -> TracedPair:
    return TracedPair(conversation=pair.prompt.conversation, preferred=pair.a.text, other=pair.b.text, p=0.7)


def _interval(rng: random.Random, middle: float) -> Interval:
    return _tested(rng, middle)[0]


def _tested(rng: random.Random, middle: float) -> tuple[Interval, float | None]:
    values = np.array([rng.gauss(middle, 0.2) for _ in range(HELDOUT)])
    return paired_bootstrap(values, 200, 0.95, 0), p_value(values, 0.0)


def _part(rng: random.Random, principle: str, middle: float) -> Part:
    interval, p = _tested(rng, middle)
    return Part(principle=principle, contribution=interval, p=p)


def _moved(rng: random.Random, name: str, ids: Sequence[str], keys: Sequence[str]) -> Moved:
    parts = [_part(rng, one, 0.6 if one == name else -0.1) for one in ids]
    explained = sum(part.contribution.estimate for part in parts)
    by_pair = [PairPart(pair=key, contribution=0.1, by_principle={one: 0.1 / len(ids) for one in ids}) for key in keys]
    measured, p = _tested(rng, explained)
    return Moved(
        what=name,
        measured=measured,
        p=p,
        explained=explained,
        principles=tuple(parts),
        raised=tuple(by_pair[:2]),
        lowered=tuple(by_pair[2:]),
        pairs=len(keys),
    )


def _without(rng: random.Random, left_out: str, ids: Sequence[str]) -> Without:
    behaviours = tuple(_predicted(rng, one, -0.4 if one == left_out else 0.05) for one in ids)
    return Without(principle=left_out, corrected=False, changed=9, flipped=3, vanished=1, behaviours=behaviours)


def _predicted(rng: random.Random, principle: str, middle: float) -> Predicted:
    now, (change, p) = _interval(rng, 0.3), _tested(rng, middle)
    return Predicted(principle=principle, now=now, then=0.1, change=change, p=p, detectable=0.12, pairs=HELDOUT)


def _point(rng: random.Random, t: float) -> FrontierPoint:
    return FrontierPoint(
        t=t,
        predicted_first=_interval(rng, 0.5 - 0.4 * t),
        predicted_second=_interval(rng, 0.1 + 0.4 * t),
        retrained_first=_interval(rng, 0.5 - 0.4 * t) if t == 0.5 else None,
        retrained_second=_interval(rng, 0.1 + 0.4 * t) if t == 0.5 else None,
    )
