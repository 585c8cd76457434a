"""What the trainer says afterwards."""

from __future__ import annotations

from constitution.record import Record
from constitution.wording import plural
from generate.engine import ModelRef
from train.records import Figures, FirstStep
from train.watch import Watched


class TrainSummary(Record):
    """What one training did."""

    inputs: str
    """Digest of everything that determined the policy."""
    model: ModelRef
    """The reference: where the policy started."""
    policy: str
    """The folder of the trained policy; its adapter alone, if it was trained by one, is in `adapter/` there."""
    loss: str
    """The loss's name, for IPO with its length: `ipo (sum)` or `ipo (mean)`."""
    pairs: int
    """Pairs, or single answers, trained on."""
    heldout_pairs: int
    """Pairs kept out of training."""
    left_out: dict[str, int]
    """Pairs not used at all, by reason."""
    shortened: int
    """Pairs used after a cut, because they were longer than `max_length`."""
    steps: int
    """Optimizer steps done."""
    kept_step: int
    """The step whose weights were kept: the last one, or with `early_stop` that of the highest held-out margin."""
    parameters: int
    """Numbers that were trained."""
    dtype: str
    """The arithmetic: `float32`, `bfloat16`, or `mixed`."""
    device: str
    """`cpu` or `cuda`."""
    processes: int = 1
    """How many processes shared the work."""
    rows: str
    """How pairs share a forward pass, and why; see train/layout.py."""
    first_step: FirstStep | None
    """Policy against reference before the first update; None for losses without a reference."""
    last: Figures
    """The last step's pairs, before its update."""
    heldout: Figures | None
    """The held-out pairs with the weights that were kept; None if nothing was held out."""
    watched: tuple[Watched, ...]
    """What the watch-dogs saw with the weights that were kept."""
    warnings: tuple[str, ...]
    """What a reader should know before using the policy."""

    def lines(self) -> list[str]:
        """The same for a terminal."""
        left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items())) or "none"
        shared = f", {self.processes} processes" if self.processes > 1 else ""
        lines = [
            f"{plural(self.pairs, 'pair')} trained on, {self.heldout_pairs} held out, left out: {left_out}",
            f"{plural(self.steps, 'step')} of {self.loss}, {self.parameters:,} parameters, {self.dtype} on "
            f"{self.device}{shared}",
        ]
        if self.kept_step != self.steps:
            lines.append(f"kept the weights of step {self.kept_step}, which had the highest held-out margin")
        if self.first_step:
            expected = f"(at h = 0: {self.first_step.expected_loss:.6f})"
            lines.append(f"before the first step: loss {self.first_step.loss:.6f} {expected}")
        if self.heldout:
            lines.append(f"held out: loss {self.heldout.loss:.4f}, n = {self.heldout.n}{self._told()}")
        return lines + [f"warning: {warning}" for warning in self.warnings]

    def _told(self) -> str:
        """How far the kept weights do on held-out pairs what the labels say, with intervals over prompts."""
        seen = {one.name: one.figure for one in self.watched}
        right, moved = seen.get("ranking"), seen.get("against")
        words = [f"share ranked as labelled {right.words()}"] if right else []
        words += [f"margin (2p - 1) h in nats {moved.words(3)}"] if moved else []
        return "".join(f"; {one}" for one in words)
