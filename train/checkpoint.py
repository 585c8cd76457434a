"""Training's state between two steps: one safetensors file, renamed into place, so that it is whole or not there.

It holds the weights in training and AdamW's two moments, with early stopping also the best weights so far, and, as JSON
in its metadata, what they belong to. A checkpoint of other inputs is ignored and overwritten. Nothing random happens
between steps (the order is a function of seed and step), so the continued training is the undisturbed one, on the CPU
bit for bit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError

from constitution.files import replacing
from constitution.record import Record
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
    """Write the state after `place.step` steps."""
    from safetensors.torch import save_file

    tensors = {f"best.{name}": weight for name, weight in learner.best.items()}
    for name, weight in learner.weights.items():
        state = learner.optimizer.state[weight]
        tensors[f"weight.{name}"] = weight.detach()
        tensors[f"first.{name}"] = state["exp_avg"]
        tensors[f"second.{name}"] = state["exp_avg_sq"]
    with replacing(folder / NAME) as stream:
        save_file(tensors, stream.name, metadata={"place": place.model_dump_json()})


def load_checkpoint(folder: Path, inputs: str, metrics: Path, learner: Learner) -> Place | None:
    """Put a checkpoint of these inputs back into the learner and the metrics file; None if there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / NAME, framework="pt") as stored:
            place = Place.model_validate_json((stored.metadata() or {}).get("place", ""))
            if place.inputs != inputs or not _cut_back(metrics, place.metrics_bytes):
                return None
            for name, weight in learner.weights.items():
                _restore(stored, name, weight, learner.optimizer, place.step)
                if place.standing.best:
                    learner.best[name] = stored.get_tensor(f"best.{name}")
    except (FileNotFoundError, SafetensorError, ValidationError):
        return None
    return place


def keep_best(learner: Learner) -> None:
    """The weights as they are now are the best so far."""
    learner.best.update({name: weight.detach().to("cpu", copy=True) for name, weight in learner.weights.items()})


def restore_best(learner: Learner) -> None:
    """Put the best weights, if any were kept, in the place of the last ones."""
    with torch.no_grad():
        for name, kept in learner.best.items():
            learner.weights[name].copy_(kept)


def _restore(stored: Any, name: str, weight: torch.nn.Parameter, optimizer: torch.optim.AdamW, step: int) -> None:
    with torch.no_grad():
        weight.copy_(stored.get_tensor(f"weight.{name}"))
    optimizer.state[weight] = {
        "step": torch.tensor(float(step), device=weight.device),
        "exp_avg": stored.get_tensor(f"first.{name}").to(weight.device),
        "exp_avg_sq": stored.get_tensor(f"second.{name}").to(weight.device),
    }


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
