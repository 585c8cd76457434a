"""Training's state between two steps: one safetensors file, renamed into place, so that it is whole or not there.

It holds the weights in training and AdamW's two moments, with early stopping also the best weights so far, and, as JSON
in its metadata, what they belong to. A checkpoint of other inputs is ignored and overwritten. Nothing random happens
between steps (the order is a function of seed and step), so the continued training is the undisturbed one, on the CPU
bit for bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError

from constitution.record import Record
from generate.weights import save_tensors
from train import team
from train.parallel import on_first, put
from train.records import Figures, FirstStep
from train.stopping import Best
from train.watch import Watched

NAME = ".checkpoint.safetensors"
Weights = dict[str, torch.nn.Parameter]


class Learner(NamedTuple):
    """The weights in training by name, their optimizer, and copies of the best weights (empty without early stop)."""

    weights: Weights
    optimizer: torch.optim.AdamW
    best: dict[str, torch.Tensor]


class Standing(Record):
    """What the steps done so far have shown."""

    first_step: FirstStep | None
    """The check before the first update; None where there is no reference to check."""
    last: Figures
    """The latest step's figures."""
    heldout: Figures | None
    """The latest held-out figures; None if there are none yet."""
    watched: tuple[Watched, ...]
    """What the watch-dogs saw last."""
    best: Best | None
    """With early stop, the best held-out figures so far; None if there are none yet."""


class Place(Record):
    """Where training stands."""

    inputs: str
    """Digest of pairs, settings, model and seed."""
    step: int
    """Steps done."""
    metrics_bytes: int
    """Length of the metrics file at that step; what follows is of steps to be done again."""
    standing: Standing
    """What they showed."""


def save_checkpoint(folder: Path, place: Place, learner: Learner) -> None:
    """Write the state after `place.step` steps: in the first process; where it is sharded, all must call this."""
    tensors = {f"best.{name}": weight for name, weight in learner.best.items()}
    for name, weight in learner.weights.items():
        state = learner.optimizer.state[weight]
        tensors[f"weight.{name}"] = on_first(weight)
        tensors[f"first.{name}"] = on_first(state["exp_avg"])
        tensors[f"second.{name}"] = on_first(state["exp_avg_sq"])
    if team.is_first():
        save_tensors(tensors, folder / NAME, {"place": place.model_dump_json()})


def load_checkpoint(folder: Path, inputs: str, metrics: Path, learner: Learner) -> Place | None:
    """Put a checkpoint of these inputs back into the learner and the metrics file; None if there is none.

    The first process reads it, however many processes wrote it.
    """
    with ExitStack() as open_files:
        stored = _opened(open_files, folder / NAME, inputs, metrics) if team.is_first() else None
        place = team.told(stored.place if stored else None, Place)
        if place is None:
            return None
        for name, weight in learner.weights.items():
            _restore(stored, name, weight, learner.optimizer, place.step)
            if place.standing.best:
                learner.best[name] = stored.read(f"best.{name}") if stored else torch.empty(0)
    return place


class _Stored(NamedTuple):
    """An open checkpoint."""

    place: Place
    read: Callable[[str], torch.Tensor]


def _opened(open_files: ExitStack, path: Path, inputs: str, metrics: Path) -> _Stored | None:
    """The checkpoint, if it is one of these inputs; the metrics file is cut back to where it was then."""
    from safetensors import SafetensorError, safe_open

    try:
        file = open_files.enter_context(safe_open(path, framework="pt"))
        place = Place.model_validate_json((file.metadata() or {}).get("place", ""))
    except (FileNotFoundError, SafetensorError, ValidationError):
        return None
    if place.inputs != inputs or not _cut_back(metrics, place.metrics_bytes):
        return None
    return _Stored(place, file.get_tensor)


def keep_best(learner: Learner) -> None:
    """The weights as they are now are the best so far."""
    learner.best.update({name: on_first(weight).clone() for name, weight in learner.weights.items()})


def restore_best(learner: Learner) -> None:
    """Put the best weights, if any were kept, in the place of the last ones."""
    for name, kept in learner.best.items():
        put(learner.weights[name], kept if team.is_first() else None)


def _restore(
    stored: _Stored | None, name: str, weight: torch.nn.Parameter, optimizer: torch.optim.AdamW, step: int
) -> None:
    first, second = torch.zeros_like(weight), torch.zeros_like(weight)
    for part, target in (("weight", weight), ("first", first), ("second", second)):
        put(target, stored.read(f"{part}.{name}") if stored else None)
    on = torch.tensor(float(step), device=weight.device)
    optimizer.state[weight] = {"step": on, "exp_avg": first, "exp_avg_sq": second}


def _cut_back(metrics: Path, size: int) -> bool:
    """Drop the lines of steps that will be done again. False if the file does not reach that far."""
    if not metrics.is_file() or metrics.stat().st_size < size:
        return False
    os.truncate(metrics, size)
    return True


def remove_checkpoint(folder: Path) -> None:
    """Remove it, and what a killed process may have left half-written beside it."""
    for file in [folder / NAME, *folder.glob(f".{NAME}.*.tmp")]:
        file.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Add a line to the metrics file."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def durable_size(path: Path) -> int:
    """Bytes in the file, once they are on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return path.stat().st_size
