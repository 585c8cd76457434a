"""From labelled pairs to a training that is ready to run: tokens, held-out split, layout, references, adapter, loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError
from constitution.identity import digest
from constitution.progress import Progress
from constitution.store import Store
from generate.engine import ModelRef
from train.checkpoint import Standing
from train.layout import choose_layout
from train.losses import pair_loss
from train.policy import attach_adapter, load_reference, trained_parameters
from train.records import Figures, TrainPair, TrainSummary
from train.reference import ReferenceLogps, reference_logps
from train.schedule import Split, split, steps_per_epoch
from train.settings import TrainSettings
from train.step import Trainee
from train.tokens import tokenise

VERSION = 1


class Job(NamedTuple):
    """What is to be trained, and where it goes."""

    pairs: Sequence[TrainPair]
    model: ModelRef
    settings: TrainSettings
    seed: int
    out: Path
    metrics: Path

    @property
    def inputs(self) -> str:
        """Digest of everything that determines the policy; the order of the pairs does not."""
        return digest(
            "training",
            version=VERSION,
            pairs=[pair.model_dump(mode="json") for pair in sorted(self.pairs, key=lambda pair: pair.key)],
            revision=self.model.revision,
            settings=self.settings.meaning(),
            seed=self.seed,
        )


class Session(NamedTuple):
    """A job with its model loaded. `rows` says in words how pairs share a forward pass."""

    job: Job
    trainee: Trainee
    rows: str
    parts: Split
    left_out: Mapping[str, int]
    steps: int


def prepare(job: Job, references: Store[ReferenceLogps], progress: Progress) -> Session:
    """Load the model, run the reference where the store does not have it, attach the adapter.

    Raises DataError if no pair can be trained on, ModelError if the model cannot be.
    """
    settings = job.settings
    reference = load_reference(job.model, settings)
    pairs, left_out = tokenise(job.pairs, reference.tokenizer, reference.stops, settings.max_length)
    parts = split(pairs, settings.heldout_fraction)
    if not parts.train:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise DataError(f"no pair to train on: {len(job.pairs)} given{', ' if reasons else ''}{reasons}")
    choice = choose_layout(reference, pairs)
    known = reference_logps(reference, pairs, job.model, choice.layout, settings, references, progress)
    policy = attach_adapter(reference, settings.lora, job.seed)
    trainee = Trainee(policy, known, pair_loss(settings), choice.layout, settings.row_tokens)
    steps = settings.epochs * steps_per_epoch(len(parts.train), settings)
    return Session(job, trainee, choice.why, parts, left_out, steps)


def summarise(session: Session, standing: Standing) -> TrainSummary:
    """The record of a finished training."""
    job, policy = session.job, session.trainee.policy
    return TrainSummary(
        inputs=job.inputs,
        model=job.model,
        policy=str(job.out),
        loss=session.trainee.loss.name,
        pairs=len(session.parts.train),
        heldout_pairs=len(session.parts.heldout),
        left_out=dict(session.left_out),
        steps=session.steps,
        parameters=sum(weight.numel() for weight in trained_parameters(policy).values()),
        dtype=str(policy.dtype).removeprefix("torch."),
        device=policy.device.type,
        rows=session.rows,
        first_step=standing.first_step,
        last=standing.last,
        heldout=standing.heldout,
        warnings=tuple(warnings(standing.last, standing.heldout)),
    )


def warnings(last: Figures, heldout: Figures | None) -> list[str]:
    """What went wrong, in plain words: preferred answers less likely, principles that the policy turned against."""
    said = []
    seen, where = (heldout, "held-out pairs") if heldout else (last, "last step's pairs")
    if seen.chosen_change is not None and seen.chosen_change < 0:
        said.append(
            f"on the {where} the preferred answers became less likely, by {-seen.chosen_change:.2f} nats on average: "
            "what the policy says instead may be neither answer"
        )
    for principle, found in (heldout.principles if heldout else {}).items():
        if found.margin < 0:
            margin = f"margin {found.margin:.3f} on {found.n} held-out pairs"
            said.append(f"`{principle}`: the policy moved against it ({margin})")
    return said
