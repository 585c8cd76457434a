"""A run's recording opened for the trace: steps ready to be played again, the votes behind them, the held-out pairs.

What needs the model, the held-out pairs' gradients along the run, is computed when it is first asked for and kept in
50-recording/.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from constitution.errors import DataError
from constitution.files import write_json
from constitution.model import Constitution
from constitution.read_json import read_json
from judge.label_sets import LabelSet, constitution_of
from judge.labels import relabel
from pipeline.ablation_inputs import Material, material
from pipeline.context import Run
from pipeline.trained_session import trained_job, trained_session
from reports.trace.replay import LabelSet as ReplayLabels
from reports.trace.replay import Recording, Rules, recording, way_between
from reports.trace.whatif import HeldOut, label_set, margins_at
from train.heldout import Along, along, keep, kept, missing
from train.losses import pair_loss
from train.metrics import Votes, votes
from train.recorded import Recorded, read_recording
from train.records import TrainPair, TrainSingle
from train.reference import ReferenceLogps
from train.session import Session
from train.tokens import Tokenised, tokenise

KEYS = "heldout.json"
NOT_FOLLOWED = (
    "nobody has followed its training yet; `preceptor trace RUN.yaml` does, and so does any `preceptor whatif`: either "
    "loads the model once"
)


class Followed(NamedTuple):
    """`table`: the votes on the pairs trained on, in the recording's order."""

    found: Material
    recorded: Recorded
    played: Recording
    table: Votes


class Opened(NamedTuple):
    """The same, and `way`: the held-out pairs along the run."""

    found: Material
    recorded: Recorded
    played: Recording
    table: Votes
    heldout: HeldOut
    way: Along


class AnswersAlong(NamedTuple):
    """Single answers as tokens, those that cannot be trained on left out, and each of the others along the run."""

    tokens: Tokenised
    along: Along


def opened_recording(run: Run) -> Followed:
    """Loads no model. Raises DataError if the run is not trained as its file says, or left no recording."""
    found = material(run, "trace")
    trained_job(run, found)
    recorded = read_recording(run.folder.recording, found.inputs, found.steps)
    settings = run.config.train
    slope = pair_loss(settings).slope
    assert slope is not None, "such a training leaves no recording"
    played = recording(
        recorded.steps, recorded.stand_for_C, Rules(slope, settings.max_grad_norm, settings.weight_decay)
    )
    by_key = {pair.key: pair for pair in found.pairs}
    return Followed(found, recorded, played, votes([by_key[key] for key in recorded.head.pairs if key in by_key]))


def opened_trace(run: Run, *, follow: bool = True) -> Opened:
    """Raises DataError as `opened_recording`, and if the run holds nothing out.

    Where nobody has followed the training yet, that takes the model; with `follow` False it is a DataError.
    """
    followed = opened_recording(run)
    by_key = {pair.key: pair for pair in followed.found.pairs}
    way = _heldout(run, followed.found, followed.recorded, follow)
    keys = heldout_keys(run.folder.recording / KEYS, by_key, len(way.found[-1].h_B))
    return Opened(*followed, _leaning([by_key[key] for key in keys], way), way)


def _heldout(run: Run, found: Material, recorded: Recorded, follow: bool) -> Along:
    """The held-out pairs' gradients after every kept step; their keys are in the recording's folder then."""
    folder = run.folder.recording
    index = folder / KEYS
    lacking = recorded.kept if not index.exists() else missing(folder, recorded.kept)
    if lacking:
        if not follow:
            raise DataError(NOT_FOLLOWED)
        session = trained_session(run, found)
        if not session.parts.heldout:
            raise DataError(f"{run.folder.root}: no pair was held out of training (`train.heldout_fraction`)")
        write_json(index, [tokens.pair.key for tokens in session.parts.heldout])
        pairs, averaged = session.parts.heldout, session.trainee.loss.averaged
        keep(folder, along(session, recorded, folder, pairs, lacking, run.console.tick, averaged=averaged))
    return kept(folder, recorded.kept)


def heldout_keys(index: Path, known: Container[str], count: int) -> list[str]:
    """The keys of the pairs whose gradients are kept. Raises DataError if the file is not the list of so many of them.

    Raises ConfigError if it is no JSON.
    """
    found = read_json(index)
    keys = [key for key in found if isinstance(key, str) and key in known] if isinstance(found, list) else []
    if not isinstance(found, list) or len(keys) != len(found) or len(keys) != count:
        raise DataError(
            f"{index}: not the keys of this run's {count} held-out pairs: remove the file, and `preceptor trace` "
            "follows the training again"
        )
    return keys


def _leaning(pairs: Sequence[TrainPair], way: Along) -> HeldOut:
    table = votes(pairs)
    lean_J_K = torch.where(table.voted_B_K, 2 * table.p_B_K - 1, torch.nan)
    return HeldOut(
        [pair.key for pair in pairs], [pair.prompt_id for pair in pairs], table.principles, lean_J_K, way.found[-1]
    )


def edited_labels(opened: Opened, edited: Constitution) -> dict[str, float | None]:
    """p by key of the pairs trained on, under another constitution over the same votes."""
    labels = opened.found.labels
    return {key: relabel(labels[key], edited).p for key in opened.recorded.head.pairs}


def prediction(run: Run, opened: Opened, weights: dict[str, float]) -> torch.Tensor:
    """The held-out margins [J] with these principles at these weights."""
    return margins_at(opened.heldout, way_between(opened.played, labels_of(run, opened, weights)))


def labels_of(run: Run, opened: Opened, weights: dict[str, float]) -> ReplayLabels:
    """What the replay takes for these principles at these weights."""
    return label_set(edited_labels(opened, weighted(run.constitution, weights)), opened.recorded.head.pairs)


def weighted(constitution: Constitution, weights: dict[str, float]) -> Constitution:
    """The constitution with these principles only, at these weights."""
    return constitution_of(constitution, LabelSet(weights=weights))


def answers_along(
    run: Run,
    opened: Opened | Followed,
    singles: Sequence[TrainSingle],
    steps: Sequence[int],
    session: Session | None = None,
    too_long: Literal["error", "drop"] = "error",
) -> AnswersAlong:
    """Log-probability and gradient of single answers after each of these kept steps; loads the model where no `session`
    of it is given, whose weights are changed.

    An answer that is longer than the training allows raises DataError, or is left out with `too_long="drop"`.
    """
    session = session or trained_session(run, opened.found)
    policy, settings = session.trainee.policy, run.config.train
    tokens = tokenise(singles, policy.tokenizer, policy.stops, settings.max_length, too_long)
    # Their reference is of no interest: only changes and gradients are read.
    known = {one.key: ReferenceLogps(a=0.0, b=0.0) for one in singles}
    session = session._replace(trainee=session.trainee._replace(references={**session.trainee.references, **known}))
    folder, tick = run.folder.recording, run.console.tick
    return AnswersAlong(tokens, along(session, opened.recorded, folder, tokens.pairs, steps, tick, averaged=False))
