"""From labelled pairs to a training that is ready to run: tokens, held-out split, layout, references, adapter, loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import DataError
from constitution.identity import digest
from constitution.progress import Progress
from constitution.store import Store
from generate.engine import ModelRef
from train import team
from train.baseline import baseline_pairs
from train.checkpoint import Standing
from train.fused import can_fuse
from train.layout import choose_layout
from train.losses import pair_loss
from train.lower import with_lower_states
from train.parallel import on_first, replicated, sharded, shards
from train.policy import Policy, load_reference, make_trainable, trained_parameters
from train.records import TrainItem
from train.reference import ReferenceLogps, reference_logps
from train.schedule import Split, split, steps_per_epoch
from train.settings import TrainSettings
from train.step import Trainee
from train.suits import check_suits
from train.summary import TrainSummary
from train.tokens import Tokenised, TokenPair, tokenise
from train.watch_data import data_warnings, size_warnings

VERSION = 1


class Job(NamedTuple):
    """What is to be trained, and where it goes."""

    pairs: Sequence[TrainItem]
    model: ModelRef
    settings: TrainSettings
    seed: int
    out: Path
    metrics: Path
    recording: Path | None = None
    """Folder of the recording (recording.py); None for none."""

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
    """A job with its model loaded. `rows` says in words how pairs share a forward pass; `mismatched` are the pairs for
    KTO's baseline (train/baseline.py), by the key of the pair whose prompt they have, and empty for other losses."""

    job: Job
    trainee: Trainee
    rows: str
    parts: Split
    tokenised: Tokenised
    mismatched: dict[str, TokenPair]
    steps: int


def prepare(job: Job, references: Store[ReferenceLogps], progress: Progress) -> Session:
    """Load the model, run the reference where the store does not have it, make the policy trainable.

    Raises DataError if no pair can be trained on or the loss does not suit the data, ModelError if the model cannot be
    trained.
    """
    settings, loss = job.settings, pair_loss(job.settings)
    reference = load_reference(job.model, settings, on_cpu=shards(settings))
    stops = reference.stops
    tokenised = tokenise(job.pairs, reference.tokenizer, stops, settings.max_length, settings.too_long)
    parts = split(tokenised.pairs, settings.heldout_fraction)
    if not parts.train:
        reasons = "; ".join(f"{count} {reason}" for reason, count in tokenised.left_out.items())
        raise DataError(f"no pair to train on: {len(job.pairs)} given{', ' if reasons else ''}{reasons}")
    check_suits(loss, settings, parts)
    choice = choose_layout(reference, tokenised.pairs)
    if shards(settings):  # a policy that is not trained yet is its reference
        reference = sharded(make_trainable(reference, settings.lora, job.seed))
    if choice.layout == "shared" and can_fuse(reference):
        reference = with_lower_states(reference, settings.lora, settings.activation_cache_gib)
    strangers = baseline_pairs(parts, settings.max_length) if loss.singles else []
    # Without a reference in the loss, only the change on held-out pairs is compared with it.
    read = [*tokenised.pairs, *strangers] if loss.reference else parts.heldout
    known = reference_logps(reference, read, job.model, choice.layout, settings, references, progress)
    policy = reference if reference.sharded else make_trainable(reference, settings.lora, job.seed)
    if team.size() > 1 and not policy.sharded:
        policy = replicated(policy)
    return Session(
        job,
        Trainee(policy, known, loss, choice.layout, settings.row_tokens),
        choice.why,
        parts,
        tokenised,
        {own.pair.key: other for own, other in zip([*parts.train, *parts.heldout], strangers, strict=False)},
        settings.epochs * steps_per_epoch(len(parts.train), settings),
    )


def whole_policy(session: Session) -> Policy:
    """The trained policy in one piece, in the first process; where it is sharded, the others must ask for it too."""
    job, policy = session.job, session.trainee.policy
    if not policy.sharded:
        return policy
    weights = {name: on_first(weight) for name, weight in trained_parameters(policy).items()}
    if not team.is_first():
        return policy
    rebuilt = make_trainable(load_reference(job.model, job.settings, on_cpu=True), job.settings.lora, job.seed)
    left = rebuilt.model.load_state_dict(weights, strict=False)
    assert not left.unexpected_keys, left.unexpected_keys
    return rebuilt


def summarise(session: Session, standing: Standing, steps: int) -> TrainSummary:
    """The record of a training that ended after `steps` steps."""
    job, policy = session.job, session.trainee.policy
    heldout = standing.best.heldout if standing.best else standing.heldout
    watched = standing.best.watched if standing.best else standing.watched
    said = [warning for one in watched for warning in one.warnings]
    return TrainSummary(
        inputs=job.inputs,
        model=job.model,
        policy=str(job.out),
        loss=session.trainee.loss.name,
        pairs=len(session.parts.train),
        heldout_pairs=len(session.parts.heldout),
        left_out=dict(session.tokenised.left_out),
        shortened=session.tokenised.shortened,
        steps=steps,
        kept_step=standing.best.step if standing.best else steps,
        parameters=sum(weight.numel() for weight in trained_parameters(policy).values()),
        dtype=policy.arithmetic.removeprefix("torch."),
        device=policy.device.type,
        processes=team.size(),
        rows=session.rows,
        first_step=standing.first_step,
        last=standing.last,
        heldout=heldout,
        watched=watched,
        warnings=(
            *data_warnings(session.tokenised, job.settings.max_length),
            *size_warnings(len(session.parts.train), len(session.parts.heldout)),
            *said,
        ),
    )
