"""Sampled answers under other label sets: predicted, and beside what retrained policies really answered.

What a prediction missed where a principle was really left out corrects the others, as for margins (trace_fidelity.py);
but a retrained policy's answers are few and noisy, so each behaviour's correction is trusted only as far as it stands
out of that noise.

Shapes: M label sets, K principles, F behaviours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.context import Run
from pipeline.trace_fidelity import Told, real_sets
from pipeline.tracing import Opened, labels_of
from reports.ablation.records import Retrained
from reports.trace.answers import Answers, Table, changes, trust
from reports.trace.replay import way_between


class Sampled(NamedTuple):
    """What is compared: the run, its recording, its own answers, and which of their behaviours."""

    run: Run
    opened: Opened
    answers: Answers
    named: Sequence[str]


class MissedAnswers(NamedTuple):
    """By principle left out: what its retraining gave beyond the prediction [F], already shrunk by `trust_F`."""

    by_principle: Mapping[str, Table]
    trust_F: Table


def predicted_changes(sampled: Sampled, weights: dict[str, float]) -> Table:
    """Mean change of every behaviour [F] with these principles at these weights."""
    opened = sampled.opened
    way_C = way_between(opened.played, labels_of(sampled.run, opened, weights))
    return np.array([changes(sampled.answers, name, way_C).mean() for name in sampled.named])


def missed_answers(sampled: Sampled) -> MissedAnswers:
    """Of every principle whose retraining without it answered prompts, where the whole run's did too; empty without."""
    principles = [principle.id for principle in sampled.run.constitution.principles]
    by_ids = _by_ids(sampled.run)
    whole = by_ids.get(frozenset(principles))
    found, noise = {}, []
    for principle in principles:
        left = by_ids.get(frozenset(principles) - {principle})
        if whole and left:
            mean_F, variance_F = _real(left, whole, sampled.named)
            found[principle] = mean_F - predicted_changes(sampled, left.label_set.weights)
            noise.append(variance_F)
    if not found:
        return MissedAnswers({}, np.zeros(len(sampled.named)))
    trust_F = trust(np.array(list(found.values())), np.array(noise))
    return MissedAnswers({i: trust_F * missed_F for i, missed_F in found.items()}, trust_F)


def told_sampled(sampled: Sampled, sets: Sequence[Retrained]) -> Told:
    """Predicted and retrained changes from the run on its own labels, set by set."""
    by_ids, missed = _by_ids(sampled.run), missed_answers(sampled)
    principles = [principle.id for principle in sampled.run.constitution.principles]
    whole = by_ids[frozenset(principles)]
    alone, with_loo, real = [], [], []
    for one in sets:
        kept = frozenset(one.label_set.weights)
        alone.append(predicted_changes(sampled, one.label_set.weights))
        parts = [missed.by_principle[i] for i in principles if i not in kept and i in missed.by_principle]
        with_loo.append(alone[-1] + sum(parts, np.zeros(len(sampled.named))))
        real.append(_real(by_ids[kept], whole, sampled.named)[0])
    return Told(np.array(alone), np.array(with_loo), np.array(real))


def _by_ids(run: Run) -> dict[frozenset[str], Retrained]:
    return {frozenset(one.label_set.weights): one for one in real_sets(run, sampled=True)}


def _real(one: Retrained, whole: Retrained, named: Sequence[str]) -> tuple[Table, Table]:
    """Mean over prompts of the change, and that mean's variance, by behaviour."""
    moved = [np.array([value - whole.answers[name][key] for key, value in one.answers[name].items()]) for name in named]
    return np.array([m.mean() for m in moved]), np.array([m.var(ddof=1) / len(m) for m in moved])
