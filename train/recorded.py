"""Reading a recording (recording.py) back.

Shapes: S pairs of all steps in a row, B of one step, C coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from constitution.errors import DataError
from train.recording import COORDINATES, RecordingHead, StepRecord, read_head

AGAIN = "remove the run's 50-recording and 50-policy, and `preceptor train` makes both again"


class Recorded(NamedTuple):
    """A whole recording, its steps in their order; `stand_for_C` says for how many of the trained numbers each
    coordinate stands, `kept` after which of the steps there are copies of the weights."""

    head: RecordingHead
    steps: list[StepRecord]
    stand_for_C: Tensor
    kept: list[int]


def read_recording(folder: Path, inputs: str, steps: int) -> Recorded:
    """The first `steps` steps of the training that `inputs` belongs to.

    Raises DataError if the folder has none, or that of another training, or lacks a step.
    """
    head = read_head(folder)
    if head is None:
        raise DataError(
            f"{folder}: this run left no recording of its training (`train.trace`, on by default, but not with "
            f"several processes, nor with loss `orpo` or `kto`); {AGAIN}"
        )
    if head.inputs != inputs:
        raise DataError(f"{folder}: the recording is of another training than the policy; {AGAIN}")
    kept = sorted(int(path.stem.removeprefix("weights-")) for path in folder.glob("weights-*.safetensors"))
    return Recorded(
        head,
        [read_step(folder, step) for step in range(1, steps + 1)],
        load_tensors(folder / COORDINATES)["stand_for_C"],
        [done for done in kept if done <= steps],
    )


def read_step(folder: Path, step: int) -> StepRecord:
    """Step `step`, counted from 1. Raises DataError if it cannot be read."""
    found = load_tensors(folder / f"step-{step:05d}.safetensors")
    norm, rate = found["values"].tolist()
    return StepRecord(found["pairs_B"].long(), found["h_B"], found["pull_B"], found["gradients_B_C"], norm, rate)


def read_weights(folder: Path, step: int) -> Mapping[str, Tensor]:
    """The trained weights after `step` steps, by name. Raises DataError if they were not kept or cannot be read."""
    return load_tensors(folder / f"weights-{step:05d}.safetensors")


def put_weights(weights: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Give the trained weights these values."""
    assert weights.keys() == values.keys(), "weights of another adapter"
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(values[name])


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The file's tensors by name. Raises DataError if it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {AGAIN}") from error
