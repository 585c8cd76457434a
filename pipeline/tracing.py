"""A run's recording opened for the trace: steps ready to be played again, the votes behind them, the held-out pairs.

What needs the model, the held-out pairs' gradients along the run, is computed when it is first asked for and kept in
50-recording/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from constitution.errors import DataError
from constitution.files import write_json
from constitution.model import Constitution
from constitution.read_json import read_json
from judge.label_sets import LabelSet, constitution_of
from judge.labels import relabel
from pipeline.ablation_inputs import Material, material
from pipeline.ablation_store import read_retrained
from pipeline.context import Run
from pipeline.trained_session import trained_job, trained_session
from reports.ablation.records import Retrained
from reports.trace.fidelity import Fidelity, fidelity
from reports.trace.replay import Recording, Rules, recording
from reports.trace.whatif import HeldOut, Missed, behaviours, corrected, label_set, margins_after
from train.heldout import Along, along, keep, kept, missing
from train.losses import pair_loss
from train.metrics import Votes, votes
from train.recorded import Recorded, read_recording
from train.records import TrainPair

KEYS = "heldout.json"


class Opened(NamedTuple):
    """`table`: the votes on the pairs trained on, in the recording's order. `way`: the held-out pairs along the run."""

    found: Material
    recorded: Recorded
    played: Recording
    table: Votes
    heldout: HeldOut
    way: Along


def opened_trace(run: Run) -> Opened:
    """Raises DataError if the run is not trained as its file says, left no recording, or holds nothing out."""
    found = material(run)
    trained_job(run, found)
    recorded = read_recording(run.folder.recording, found.inputs, found.steps)
    settings = run.config.train
    slope = pair_loss(settings).slope
    assert slope is not None, "such a training leaves no recording"
    played = recording(
        recorded.steps, recorded.stand_for_C, Rules(slope, settings.max_grad_norm, settings.weight_decay)
    )
    by_key = {pair.key: pair for pair in found.pairs}
    keys, way = _heldout(run, found, recorded)
    heldout = [by_key[key] for key in keys]
    return Opened(
        found,
        recorded,
        played,
        votes([by_key[key] for key in recorded.head.pairs if key in by_key]),
        _leaning(heldout, way),
        way,
    )


def _heldout(run: Run, found: Material, recorded: Recorded) -> tuple[list[str], Along]:
    """The held-out pairs' keys, and their gradients after every kept step."""
    folder = run.folder.recording
    index = folder / KEYS
    lacking = recorded.kept if not index.exists() else missing(folder, recorded.kept)
    if lacking:
        session = trained_session(run, found)
        if not session.parts.heldout:
            raise DataError(f"{run.folder.root}: no pair was held out of training (`train.heldout_fraction`)")
        write_json(index, [tokens.pair.key for tokens in session.parts.heldout])
        pairs, averaged = session.parts.heldout, session.trainee.loss.averaged
        keep(folder, along(session, recorded, folder, pairs, lacking, run.console.tick, averaged=averaged))
    return list(read_json(index)), kept(folder, recorded.kept)


def _leaning(pairs: Sequence[TrainPair], way: Along) -> HeldOut:
    table = votes(pairs)
    lean_J_K = torch.where(table.voted_B_K, 2 * table.p_B_K - 1, torch.nan)
    return HeldOut(
        [pair.key for pair in pairs], [pair.prompt_id for pair in pairs], table.principles, lean_J_K, way.found[-1]
    )


def edited_labels(opened: Opened, edited: Constitution) -> dict[str, float | None]:
    """p by key of the pairs trained on, under another constitution over the same votes."""
    labels = opened.found.labels
    if not edited.principles or not any(principle.weight for principle in edited.principles):
        return dict.fromkeys(opened.recorded.head.pairs)
    return {key: relabel(labels[key], edited).p for key in opened.recorded.head.pairs}


def missed(run: Run, opened: Opened) -> Missed:
    """What the replay missed of each principle that was really left out with the run's own seed; empty without any."""
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    found = {}
    for one in real_sets(run):
        gone = weights.keys() - one.label_set.weights.keys()
        if len(gone) == 1:
            real_J = torch.tensor([one.h[key] for key in opened.heldout.keys], dtype=torch.float64)
            found[gone.pop()] = real_J - prediction(run, opened, one.label_set.weights)
    return Missed(found)


def real_sets(run: Run, *, sampled: bool = False) -> list[Retrained]:
    """The retrainings with the run's own seed on principles of its constitution at their own weights; with `sampled`,
    those that answered prompts."""
    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    return [
        one
        for one in read_retrained(run, sampled=sampled)
        if one.seed == run.config.seed
        and not one.label_set.planted
        and one.label_set.weights
        and one.label_set.weights.items() <= weights.items()
    ]


def prediction(run: Run, opened: Opened, weights: dict[str, float]) -> torch.Tensor:
    """The held-out margins [J] with these principles at these weights."""
    labels = edited_labels(opened, weighted(run.constitution, weights))
    return margins_after(opened.played, opened.heldout, label_set(labels, opened.recorded.head.pairs))


def weighted(constitution: Constitution, weights: dict[str, float]) -> Constitution:
    """The constitution with these principles only, at these weights."""
    return constitution_of(constitution, LabelSet(weights=weights))


def measured_fidelity(run: Run, opened: Opened, residuals: Missed) -> Fidelity | None:
    """How predictions do on the retrained label sets that correct none of them."""
    old = {principle.id: principle.weight for principle in run.constitution.principles}
    sets = [one for one in real_sets(run) if len(old) - len(one.label_set.weights) > 1]
    if not sets:
        return None
    predicted, real = [], []
    for one in sets:
        gone = {i: 1.0 for i in old if i not in one.label_set.weights}
        margins_J = corrected(prediction(run, opened, one.label_set.weights), residuals, gone)
        predicted.append(list(behaviours(opened.heldout, margins_J).values()))
        real_J = torch.tensor([one.h[key] for key in opened.heldout.keys], dtype=torch.float64)
        real.append(list(behaviours(opened.heldout, real_J).values()))
    now = list(behaviours(opened.heldout, opened.heldout.seen.h_B).values())
    return fidelity(np.array(predicted), np.array(real), np.array(now))
