"""Training's state between two steps: one safetensors file, renamed into place, so that it is whole or not there.

It holds the adapter and AdamW's two moments in float32 and, as JSON in its metadata, what they belong to. A checkpoint
of other inputs is ignored and overwritten. Nothing random happens between steps (the order is a function of seed and
step), so the continued training is the undisturbed one, on the CPU bit for bit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from constitution.files import write_atomically
from constitution.record import Record
from train.records import Figures, FirstStep

NAME = ".checkpoint.safetensors"
Weights = dict[str, torch.nn.Parameter]


class Standing(Record):
    """What the steps done so far have shown."""

    first_step: FirstStep
    """The check before the first update."""
    last: Figures
    """The latest step's figures."""
    heldout: Figures | None
    """The latest held-out figures; None if there are none yet."""


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


def save_checkpoint(folder: Path, place: Place, weights: Weights, optimizer: torch.optim.AdamW) -> None:
    """Write the state after `place.step` steps."""
    from safetensors.torch import save

    tensors: dict[str, Any] = {}
    for name, weight in weights.items():
        state = optimizer.state[weight]
        tensors[f"weight.{name}"] = weight.detach()
        tensors[f"first.{name}"] = state["exp_avg"]
        tensors[f"second.{name}"] = state["exp_avg_sq"]
    write_atomically(folder / NAME, save(tensors, metadata={"place": place.model_dump_json()}))


def load_checkpoint(
    folder: Path, inputs: str, metrics: Path, weights: Weights, optimizer: torch.optim.AdamW
) -> Place | None:
    """Put a checkpoint of these inputs back into weights, optimizer and metrics file; None if there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / NAME, framework="pt") as stored:
            place = Place.model_validate_json((stored.metadata() or {}).get("place", ""))
            if place.inputs != inputs or not _cut_back(metrics, place.metrics_bytes):
                return None
            for name, weight in weights.items():
                _restore(stored, name, weight, optimizer, place.step)
    except (FileNotFoundError, SafetensorError, ValidationError):
        return None
    return place


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
