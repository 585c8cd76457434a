"""Gradients of the held-out pairs' margins along a recorded run, computed once when they are first asked for and kept
beside the recording: `heldout-00012.safetensors` after 12 steps, `h_J` and `gradients_J_C`.

Shapes: J held-out pairs, C coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from constitution.progress import Progress, Tick
from generate.weights import save_tensors
from train.coordinates import choose_coordinates
from train.gradients import PairGradients, pair_gradients
from train.policy import trained_parameters
from train.recorded import Recorded, load_tensors, put_weights, read_weights
from train.session import Session
from train.tokens import TokenPair


class Along(NamedTuple):
    """h and dh after each of `steps` steps."""

    steps: list[int]
    found: list[PairGradients]


def along(
    session: Session,
    recorded: Recorded,
    folder: Path,
    pairs: Sequence[TokenPair],
    steps: Sequence[int],
    what: Progress,
    *,
    averaged: bool,
) -> Along:
    """With the recorded weights put into the session's policy, one after the other; `averaged` as in pair_gradients."""
    weights = trained_parameters(session.trainee.policy)
    coordinates = choose_coordinates(weights, recorded.head.coordinates_asked, recorded.head.seed)
    assert coordinates.total == recorded.head.coordinates, "coordinates of another training"
    found = []
    for count, done in enumerate(steps):
        what(Tick("following the run (kept weights)", count, len(steps)))
        put_weights(weights, read_weights(folder, done))
        found.append(pair_gradients(session.trainee, pairs, coordinates, averaged))
    what(Tick("following the run (kept weights)", len(steps), len(steps)))
    return Along(list(steps), found)


def keep(folder: Path, seen: Along) -> None:
    """Write them beside the recording."""
    for done, found in zip(seen.steps, seen.found, strict=True):
        save_tensors({"h_J": found.h_B, "gradients_J_C": found.gradients_B_C}, _path(folder, done))


def missing(folder: Path, steps: Sequence[int]) -> list[int]:
    """The steps of which nothing is kept yet."""
    return [done for done in steps if not _path(folder, done).exists()]


def kept(folder: Path, steps: Sequence[int]) -> Along:
    """What was kept. Raises DataError if it cannot be read."""
    found: list[dict[str, Tensor]] = [load_tensors(_path(folder, done)) for done in steps]
    return Along(list(steps), [PairGradients(one["h_J"], one["gradients_J_C"]) for one in found])


def _path(folder: Path, done: int) -> Path:
    return folder / f"heldout-{done:05d}.safetensors"
