"""The dial's behaviour side for a run: predicted from its recording, retrained where `preceptor ablate --dial` was."""

from __future__ import annotations

import torch

from constitution.errors import DataError
from judge.label_sets import labels_digest, training_labels
from pipeline.ablation_store import read_retrained
from pipeline.context import Run
from pipeline.edited import reweighted
from pipeline.trace_fidelity import real_margins
from pipeline.tracing import Opened, weighted
from pipeline.whatif import rerun
from reports.ablation.plan import DIAL, dial_set
from reports.dial import check_axes
from reports.trace.frontier import Margins, axis_lean, frontier
from reports.trace.records import Frontier
from reports.trace.whatif import Missed


def dial_frontier(run: Run, opened: Opened, residuals: Missed, first: str, second: str) -> Frontier:
    """At every position of DIAL, corrected by `residuals`.

    Raises DataError for axes that a dial cannot be turned between, and where one has no opinion on any held-out pair.
    """
    check_axes(run.constitution, first, second)
    axes = [[p.id for p in run.constitution.principles if p.axis == axis and p.weight > 0] for axis in (first, second)]
    for name, principles in zip((first, second), axes, strict=True):
        if axis_lean(opened.heldout, principles).isnan().all():
            raise DataError(f"axis `{name}`: none of its principles has an opinion on any held-out pair")
    retrained = {one.labels: one for one in read_retrained(run) if one.seed == run.config.seed}
    found = []
    for t in DIAL:
        label_set = dial_set(run.constitution, first, second, t)
        edited = reweighted(opened, weighted(run.constitution, label_set.weights))
        turned = rerun(run, opened, edited, residuals)
        labels = training_labels(opened.found.labels.values(), run.constitution, label_set)
        real = retrained.get(labels_digest(labels))
        real_J: torch.Tensor | None = real_margins(opened, real) if real else None
        found.append(Margins(t, turned.margins_J, real_J))
    return frontier(opened.heldout, axes[0], axes[1], (first, second), found, run.config.seed)
