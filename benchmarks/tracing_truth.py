"""What a recording says of a run, beside what retrainings say: the in-run attribution, the seed-to-seed ceiling.

Shapes: K principles, F behaviours, J held-out pairs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch

from pipeline.context import Run
from pipeline.trace_fidelity import means, real_margins
from pipeline.tracing import Opened, edited_labels, weighted
from pipeline.trained_session import trained_session
from reports.ablation.records import Retrained
from reports.trace.fidelity import Fidelity, fidelity
from reports.trace.influence import Way, influence
from reports.trace.whatif import by_prompt
from train.retrain import Retrainer


def in_run(opened: Opened) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], float]:
    """Every principle's part [K, F] of every behaviour's change, and the completeness error: the mean over behaviours
    of |sum of parts - change|, over the mean |change|."""
    way = Way(opened.way.steps, [one.gradients_B_C for one in opened.way.found])
    parts_K_J = influence(opened.played, way, opened.table).sum(0)
    change_J = opened.way.found[-1].h_B - opened.way.found[0].h_B
    columns = range(len(opened.heldout.principles))
    mean = lambda column, values_J: float(by_prompt(opened.heldout, column, values_J).mean())  # noqa: E731
    parts_K_F = np.array([[mean(column, row_J) for column in columns] for row_J in parts_K_J])
    change_F = np.array([mean(column, change_J) for column in columns])
    return parts_K_F, float(np.abs(parts_K_F.sum(0) - change_F).mean() / np.abs(change_F).mean())


def lds_in_run(opened: Opened, parts_K_F: np.ndarray, loo: Sequence[Retrained]) -> Fidelity | None:  # type: ignore[type-arg]
    """The run without a principle, to first order: its part is taken away, and the others' grow as their weights do
    when a label's are made to add up to 1 again."""
    now_F = np.array(means(opened, opened.heldout.seen.h_B))
    predicted, real = [], []
    for one in loo:
        (gone,) = set(opened.table.principles) - one.label_set.weights.keys()
        place = opened.table.principles.index(gone)
        others_F = parts_K_F.sum(0) - parts_K_F[place]
        weight = float(opened.table.weights_B_K[:, place].mean())
        predicted.append(now_F - parts_K_F[place] + weight / (1 - weight) * others_F)
        real.append(means(opened, real_margins(opened, one)))
    return fidelity(np.array(predicted), np.array(real), now_F)


def ceiling(run: Run, opened: Opened, sets: Sequence[Retrained], count: int) -> Fidelity | None:
    """The same label sets retrained with another order of the pairs and another adapter to begin with."""
    store = run.folder.root / "ceiling.json"
    known = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    again = None
    for one in sets[:count]:
        if one.key not in known:
            again = again or Retrainer(trained_session(run, opened.found))
            labels = edited_labels(opened, weighted(run.constitution, one.label_set.weights))
            again.train(labels, seed=run.config.seed + 1, steps=opened.found.steps)
            moved = again.heldout()
            known[one.key] = {pair.key: float(h) for pair, h in zip(moved.pairs, moved.h_B, strict=True)}
            store.write_text(json.dumps(known), encoding="utf-8")
    others = [means(opened, torch.tensor([known[one.key][key] for key in opened.heldout.keys])) for one in sets[:count]]
    own = [means(opened, real_margins(opened, one)) for one in sets[:count]]
    now_F = np.array(means(opened, opened.heldout.seen.h_B))
    return fidelity(np.array(others), np.array(own), now_F)


def accuracy(opened: Opened) -> str:
    """On how many held-out pairs the policy agrees with the label: does this training learn?"""
    labels_J = torch.tensor([opened.found.labels[key].p for key in opened.heldout.keys], dtype=torch.float64)
    right_J = ((2 * labels_J - 1) * opened.heldout.seen.h_B > 0).double()
    return f"held-out accuracy {100 * float(right_J.mean()):.0f} % of {len(right_J)} pairs"
