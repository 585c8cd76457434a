"""How long a what-if takes, on recordings of random numbers: 256 pairs as recorded by default, and 10,000."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import torch

from reports.trace.replay import LabelSet, Recording, Rules, recording, replay
from train.losses import pair_loss
from train.recording import StepRecord
from train.settings import TraceSettings, TrainSettings

PAIRS_PER_STEP, EPOCHS, REPEATED = 8, 3, 5


class Milliseconds(NamedTuple):
    """Medians over `n` answers, the recording being open."""

    small: float
    large: float
    n: int


def whatif_milliseconds() -> Milliseconds:
    """With the coordinates that the trainer would keep for so many pairs."""
    return Milliseconds(_median(256), _median(10_000), REPEATED)


def made_up(pairs: int) -> Recording:
    """A recording of a training on so many pairs."""
    entries, trace = pairs * EPOCHS, TraceSettings()
    coordinates = min(trace.coordinates, int(trace.gib * 2**30) // 4 // entries)
    generator = torch.Generator().manual_seed(pairs)
    steps = []
    for start in range(0, entries, PAIRS_PER_STEP):
        places_B = torch.arange(start, min(start + PAIRS_PER_STEP, entries)) % pairs
        gradients_B_C = torch.randn(len(places_B), coordinates, generator=generator)
        h_B, pull_B = torch.randn(2, len(places_B), generator=generator, dtype=torch.float64)
        steps.append(StepRecord(places_B, h_B, pull_B / len(places_B), gradients_B_C, 1.0, 1e-4))
    slope = pair_loss(TrainSettings()).slope
    assert slope is not None
    return recording(steps, torch.full((coordinates,), 4.0), Rules(slope, 1.0, 0.0))


def _median(pairs: int) -> float:
    played = made_up(pairs)
    labels = LabelSet(torch.rand(pairs, dtype=torch.float64), torch.ones(pairs, dtype=torch.bool))
    took = []
    for _ in range(REPEATED):
        started = time.perf_counter()
        replay(played, labels)
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took)
