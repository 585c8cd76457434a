"""A training as it went, on disk: what every pair pulled at every step, and where the weights were. The trace reads it.

Recording changes nothing: the weights are those of a run without it, bit for bit. In the recording's folder:

    recording.json              what it belongs to: RecordingHead
    step-00001.safetensors      one a step: `pairs_B` (place in `RecordingHead.pairs`), `h_B`, `pull_B`,
                                `gradients_B_C`, `values` = [norm of the whole gradient before clipping, learning rate]
    coordinates.safetensors     `stand_for_C`: how many of the trained numbers each coordinate stands for
    weights-00000.safetensors   the trained weights after so many steps: at the start, at the end, evenly between

A step that is done again after a crash writes its file again, with the same bytes.

Shapes: B pairs of a step, C coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from constitution.files import write_atomically
from constitution.record import Record
from generate.weights import save_tensors
from train import team
from train.coordinates import choose_coordinates
from train.gradients import can_tap, pair_gradients
from train.metrics import Moved, labels, loss_count
from train.policy import trained_parameters
from train.rows import Rows
from train.session import Session
from train.tap import Tap, tapped

HEAD, COORDINATES = "recording.json", "coordinates.safetensors"
BYTES = 4


class RecordingHead(Record):
    """What a recording belongs to."""

    inputs: str
    """Digest of everything that determined the policy (session.Job.inputs)."""
    pairs: tuple[str, ...]
    """Keys of the pairs trained on; the steps name them by their place here."""
    steps: int
    """Steps planned."""
    coordinates: int
    """Numbers of the trained weights that the gradients are kept at."""
    coordinates_asked: int
    """The number from which `choose_coordinates` came to these."""
    parameters: int
    """Numbers that are trained."""
    seed: int
    """The run's seed, from which the coordinates follow."""
    snapshots: tuple[int, ...]
    """Steps after which the weights are kept, from 0."""


class StepRecord(NamedTuple):
    """One step: each pair's h before the update, its pull c = dL/dh (the mean's: divided by the step's count), dh at
    the coordinates, the gradient's norm before clipping, and the learning rate."""

    pairs_B: Tensor
    h_B: Tensor
    pull_B: Tensor
    gradients_B_C: Tensor
    norm: float
    rate: float


def why_not(session: Session) -> str | None:
    """Why this training cannot be recorded; None if it can."""
    if session.job.recording is None or session.job.settings.trace is None:
        return "not asked for"
    if session.trainee.loss.slope is None:
        return f"the gradient of loss {session.trainee.loss.name} does not split into the principles' shares"
    return "several processes share the training" if team.size() > 1 else None


class Recorder:
    """Writes the recording of one training, step by step."""

    def __init__(self, session: Session) -> None:
        """The training must be one that can be recorded: `why_not`."""
        settings, self.session = session.job.settings.trace, session
        assert session.job.recording is not None
        assert settings is not None
        self.folder = session.job.recording
        weights = trained_parameters(session.trainee.policy)
        entries = session.job.settings.epochs * len(session.parts.train)
        room = int(settings.gib * 2**30) // BYTES // max(1, entries)
        self._asked = max(1, min(settings.coordinates, room))
        self.coordinates = choose_coordinates(weights, self._asked, session.job.seed)
        self._places = {tokens.pair.key: place for place, tokens in enumerate(session.parts.train)}
        self._taken: list[Tensor] = []
        self._begin(session, sum(weight.numel() for weight in weights.values()))

    def _begin(self, session: Session, parameters: int) -> None:
        kept = session.job.settings.trace.snapshots if session.job.settings.lora and session.job.settings.trace else 1
        head = RecordingHead(
            inputs=session.job.inputs,
            pairs=tuple(self._places),
            steps=session.steps,
            coordinates=self.coordinates.total,
            coordinates_asked=self._asked,
            parameters=parameters,
            seed=session.job.seed,
            snapshots=tuple(sorted({round(index * session.steps / kept) for index in range(kept + 1)})),
        )
        self.head = head
        for left_by_a_crash in self.folder.glob(".*.tmp"):
            left_by_a_crash.unlink()
        if read_head(self.folder) != head:
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in self.folder.glob("*.safetensors"):
                old.unlink()
            save_tensors({"stand_for_C": self.coordinates.stand_for_C}, self.folder / COORDINATES)
            write_atomically(self.folder / HEAD, head.model_dump_json(indent=2) + "\n")

    def around(self, rows: Rows) -> AbstractContextManager[object]:
        """To be open while `rows` go backward."""
        return self._tapping(rows) if can_tap(self.session.trainee) else nullcontext()

    @contextmanager
    def _tapping(self, rows: Rows) -> Iterator[None]:
        weights = trained_parameters(self.session.trainee.policy)
        with tapped(Tap(self.coordinates.where(weights), self.coordinates.total, rows)) as tap:
            yield
        self._taken.append(tap.gradients())

    def gradients(self, moved: Moved) -> Tensor:
        """dh [B, C] of the pairs that have just gone backward, before the update."""
        taken, self._taken = self._taken, []
        pull_B = self.pulls(moved)
        if taken and bool((pull_B != 0).all()):
            return torch.cat(taken) / pull_B[:, None].float()
        # Without a tap, or where some pair pulls exactly nothing, nothing of its gradient can be seen in the sum.
        trainee, train = self.session.trainee, self.session.parts.train
        these = [train[self._places[pair.key]] for pair in moved.pairs]
        return pair_gradients(trainee, these, self.coordinates, trainee.loss.averaged).gradients_B_C

    def pulls(self, moved: Moved) -> Tensor:
        """dL/dh [B] of the step's mean loss."""
        loss = self.session.trainee.loss
        assert loss.slope is not None
        return loss.slope(moved.h_B, labels(moved.pairs)) / loss_count(loss, moved.lengths_B_2)

    def step(self, done: int, moved: Moved, gradients_B_C: Tensor, norm: float, rate: float) -> None:
        """Write step `done`, counted from 1, after its update."""
        tensors = {
            "pairs_B": torch.tensor([self._places[pair.key] for pair in moved.pairs], dtype=torch.int32),
            "h_B": moved.h_B,
            "pull_B": self.pulls(moved),
            "gradients_B_C": gradients_B_C,
            "values": torch.tensor([norm, rate], dtype=torch.float64),
        }
        save_tensors(tensors, self.folder / f"step-{done:05d}.safetensors")
        self.snapshot(done)

    def snapshot(self, done: int, wanted: bool = False) -> None:
        """Write the weights after `done` steps, if they are `wanted` or among those to be kept."""
        if wanted or done in self.head.snapshots:
            weights = trained_parameters(self.session.trainee.policy)
            tensors = {name: weight.detach().contiguous() for name, weight in weights.items()}
            save_tensors(tensors, self.folder / f"weights-{done:05d}.safetensors")


def read_head(folder: Path) -> RecordingHead | None:
    """What the recording in `folder` belongs to; None if there is none that can be read."""
    try:
        return RecordingHead.model_validate_json((folder / HEAD).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
