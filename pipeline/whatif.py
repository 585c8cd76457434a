"""What an edited constitution would have trained: the prediction as data and as lines. `preceptor whatif` and
`constitution diff` say it."""

from __future__ import annotations

import time
from typing import NamedTuple

from constitution.errors import ConfigError, Problem
from constitution.model import Constitution
from judge.label_sets import LabelSet, compare_labels, constitution_of
from judge.relabelled import kept_principles
from pipeline.context import Run
from pipeline.trace_fidelity import measured_fidelity, missed
from pipeline.trace_sampled import Sampled, missed_answers
from pipeline.tracing import Opened, edited_labels
from pipeline.tracing_answers import answers_seen
from reports.trace.answers import changes, predict_answers
from reports.trace.records import WhatIf
from reports.trace.replay import replay
from reports.trace.whatif import corrected, label_set, margins_after, predict


class Edited(NamedTuple):
    """A new constitution as far as the run has votes: the run's own principles, at the new weights, in the new order
    and under the new rule; and the new principles that would have to be judged first."""

    constitution: Constitution
    unjudged: list[str]


def edited_by(old: Constitution, new: Constitution, file: str) -> Edited:
    """Raises ConfigError, naming the file, where no principle of `new` with a weight was judged."""
    kept = kept_principles(old, new)
    weights = {kept[one.id]: one.weight for one in new.principles if one.id in kept}
    if not any(weights.values()):
        raise ConfigError([Problem(file, 1, 1, "no principle of it was judged in this run")])
    rule = new.aggregation.model_copy(
        update={
            name: tuple(kept[i] for i in getattr(new.aggregation, name) if i in kept) for name in ("priority", "veto")
        }
    )
    ruled = old.model_copy(update={"aggregation": rule})
    return Edited(
        constitution_of(ruled, LabelSet(weights=weights)), [one.id for one in new.principles if one.id not in kept]
    )


def what_if(run: Run, opened: Opened, edited: Edited, *, answers: bool = False) -> WhatIf:
    """The margins of the held-out pairs; with `answers` also the answers that stage `behaviour` sampled."""
    old = {one.id: one.weight for one in run.constitution.principles}
    new = {one.id: one.weight for one in edited.constitution.principles}
    gone = {i: max(0.0, 1 - new.get(i, 0.0) / weight) for i, weight in old.items() if weight}
    residuals = missed(run, opened)
    measured = measured_fidelity(run, opened, residuals)
    started = time.perf_counter()
    labels = edited_labels(opened, edited.constitution)
    asked = label_set(labels, opened.recorded.head.pairs)
    margins_J = corrected(margins_after(opened.played, opened.heldout, asked), residuals, gone)
    seconds = time.perf_counter() - started
    changed = compare_labels({key: opened.found.labels[key].p for key in labels}, labels)
    found = WhatIf(
        weights=new,
        unjudged=tuple(edited.unjudged),
        corrected=tuple(sorted(i for i in residuals.by_principle if gone.get(i))),
        flipped=changed.flipped,
        vanished=changed.vanished,
        changed=changed.changed,
        pairs=changed.pairs,
        behaviours=tuple(predict(opened.heldout, margins_J, run.config.seed)),
        fidelity=measured,
        seconds=seconds,
    )
    return _with_answers(run, opened, found, labels, gone) if answers else found


def _with_answers(
    run: Run, opened: Opened, found: WhatIf, labels: dict[str, float | None], gone: dict[str, float]
) -> WhatIf:
    seen = answers_seen(run, opened)
    away_C = replay(opened.played, label_set(labels, opened.recorded.head.pairs)) * opened.played.stand_for_C
    named = [name for name in seen.values if changes(seen, name, away_C).size]
    residuals = missed_answers(Sampled(run, opened, seen, named))
    beyond = [part * residuals.by_principle[i] for i, part in gone.items() if i in residuals.by_principle]
    missed_F = sum(beyond, residuals.trust_F * 0)
    predicted = [
        predict_answers(seen, name, away_C, float(shift), run.config.seed)
        for name, shift in zip(named, missed_F, strict=True)
    ]
    return found.model_copy(update={"answers": tuple(predicted)})
