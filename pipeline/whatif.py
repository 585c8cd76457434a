"""What an edited constitution would have trained: the prediction as data and as lines. `preceptor whatif` and
`constitution diff` say it, the report's trace and the frontier are made of it.

Shapes: J held-out pairs, C coordinates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from statistics import median_high
from typing import NamedTuple

import numpy as np
from torch import Tensor

from judge.label_sets import Changed, compare_labels
from pipeline.context import Run
from pipeline.edited import Edited
from pipeline.trace_fidelity import measured_fidelity, missed
from pipeline.trace_sampled import Sampled, missed_answers
from pipeline.tracing import Opened
from pipeline.tracing_answers import answers_seen
from reports.trace.answers import changes, predict_answers
from reports.trace.records import PredictedAnswers, WhatIf
from reports.trace.replay import way_between
from reports.trace.whatif import Missed, corrected, label_set, margins_at, predict


class Rerun(NamedTuple):
    """The run played again under another constitution over its votes: how the labels of its pairs trained on differ,
    how much of each principle's weight is `gone`, the way of the weights [C], and the held-out margins [J], corrected
    by what real retrainings tell."""

    changed: Changed
    gone: dict[str, float]
    way_C: Tensor
    margins_J: Tensor


def rerun(run: Run, opened: Opened, edited: Edited, residuals: Missed) -> Rerun:
    """Nothing is trained."""
    gone = gone_of({one.id: one.weight for one in run.constitution.principles}, edited.left)
    way_C = way_between(opened.played, label_set(edited.labels, opened.recorded.head.pairs))
    changed = compare_labels({key: opened.found.labels[key].p for key in edited.labels}, edited.labels)
    margins_J = corrected(margins_at(opened.heldout, way_C), residuals, gone)
    return Rerun(changed, gone, way_C, margins_J)


def gone_of(old: Mapping[str, float], left: Mapping[str, float]) -> dict[str, float]:
    """How much of each principle's weight is gone, 0 to 1, against what became of the middle one of them.

    Labels depend on the proportions of weights alone, so a factor on all of them takes nothing away.
    """
    kept = {i: left.get(i, 0.0) / weight for i, weight in old.items() if weight}
    middle = median_high(kept.values()) or max(kept.values())
    if not middle:
        return dict.fromkeys(kept, 1.0)
    gone = {i: max(0.0, 1 - part / middle) for i, part in kept.items()}
    return {i: 0.0 if math.isclose(part, 0.0, abs_tol=1e-12) else part for i, part in gone.items()}


def what_if(run: Run, opened: Opened, edited: Edited, *, answers: bool = False) -> WhatIf:
    """The margins of the held-out pairs; with `answers` also the answers that stage `behaviour` sampled."""
    residuals = missed(run, opened)
    measured = measured_fidelity(run, opened, residuals)
    started = time.perf_counter()
    found = rerun(run, opened, edited, residuals)
    seconds = time.perf_counter() - started
    return WhatIf(
        weights=edited.weights,
        unjudged=edited.unjudged,
        corrected=tuple(sorted(i for i in residuals.by_principle if found.gone.get(i))),
        flipped=found.changed.flipped,
        vanished=found.changed.vanished,
        changed=found.changed.changed,
        pairs=found.changed.pairs,
        behaviours=tuple(predict(opened.heldout, found.margins_J, run.config.seed)),
        fidelity=measured,
        answers=tuple(_answers(run, opened, found)) if answers else (),
        seconds=seconds,
    )


def _answers(run: Run, opened: Opened, found: Rerun) -> list[PredictedAnswers]:
    """Of every behaviour that two answers to some prompt have."""
    seen = answers_seen(run, opened)
    moved = {name: moved_P for name in seen.values if (moved_P := changes(seen, name, found.way_C)).size}
    residuals = missed_answers(Sampled(run, opened, seen, list(moved)))
    parts = [part * residuals.by_principle[i] for i, part in found.gone.items() if i in residuals.by_principle]
    return [
        predict_answers(seen, name, moved_P, float(beyond), run.config.seed)
        for (name, moved_P), beyond in zip(moved.items(), sum(parts, np.zeros(len(moved))), strict=True)
    ]
