"""What every side of the training benchmark gets and gives back; passed between processes as JSON."""

from __future__ import annotations

from typing import Literal

from constitution.record import Record
from generate.engine import ModelRef
from train.records import TrainPair
from train.settings import LoraSettings, TrainSettings

Side = Literal["ours", "trl_default", "trl_tuned"]
SIDES: tuple[Side, ...] = ("trl_default", "trl_tuned", "ours")
SEED = 1


class Plan(Record):
    """One piece of work, the same for every side."""

    model: ModelRef
    """The reference."""
    pairs: tuple[TrainPair, ...]
    """What is trained on; `a` is the better answer."""
    epochs: int = 3
    """Passes over the pairs."""
    pairs_per_step: int = 4
    """Pairs in one optimizer step. With 8, tuned TRL needs 18 GB, and slows down where that is short."""
    lora: LoraSettings = LoraSettings(r=16, alpha=32.0)
    """The adapter."""
    learning_rate: float = 2e-4
    """AdamW's peak."""
    threads: int = 2
    """Of every process."""

    def settings(self) -> TrainSettings:
        """Ours; training_trl.py says the same to TRL."""
        return TrainSettings(
            loss="dpo",
            beta=0.1,
            lora=self.lora,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            pairs_per_step=self.pairs_per_step,
            heldout_fraction=0.0,
            dtype="float32",
        )


class Timing(Record):
    """One training by one side. Start-up (imports, loading, tokenising) is in none of the figures."""

    seconds: float
    """The reference pass and all steps."""
    reference_seconds: float
    """The part of a reference pass that comes before the first step; 0 where it is part of each step."""
    peak_mb: float
    """Most resident memory of the process until the last step, less what it had before the model was loaded."""
