"""Stage `train`: labels -> policy. Writes 50-policy/, 50-references.sqlite, 50-recording/, 50-training.json and
metrics.jsonl."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from constitution.errors import PreceptorError
from constitution.files import write_atomically
from constitution.identity import digest, file_digest
from constitution.progress import Progress
from constitution.read_json import read_object
from constitution.salvage import set_aside
from constitution.store import Store
from constitution.wording import plural
from generate.records import Pair
from generate.weights import model_damage
from judge.records import Label
from pipeline.context import Run
from pipeline.expected import NOT_MEASURED, time_by_last
from pipeline.imported import OFF_POLICY
from pipeline.singles import read_singles, single_inputs, unused_singles
from pipeline.stage import Stage
from pipeline.stage_audit import require_passed
from pipeline.tracking import tracked
from pipeline.used import settings_of
from train.records import TrainPair

if TYPE_CHECKING:
    from train.summary import TrainSummary

CALL = "train"
"""The word that calls the other processes of a torchrun (pipeline/workers.py)."""
WEIGHTS = "model.safetensors"
RESUMED_UNTIMED = "if it was stopped and went on, only its last part was timed"


def _inputs(run: Run) -> dict[str, str]:
    return {
        "labels": file_digest(run.folder.labels),
        "model": run.reference.revision,
        "train settings": digest("train", **run.config.train.meaning()),
        "seed": str(run.config.seed),
        **single_inputs(run),
    }


def training_pairs(pairs: Sequence[Pair], labels: Sequence[Label]) -> list[TrainPair]:
    """The labelled pairs, as the trainer takes them, in the order of the labels file."""
    by_key = {pair.key: pair for pair in pairs}
    return [
        TrainPair(
            key=label.pair_key,
            prompt_id=pair.prompt.id,
            conversation=pair.prompt.conversation,
            a=pair.a.text,
            b=pair.b.text,
            a_finished=pair.a.finish != "length",
            b_finished=pair.b.finish != "length",
            p=label.p,
            shares=label.shares,
        )
        for label in labels
        if label.p is not None and (pair := by_key[label.pair_key])
    ]


def train_policy(run: Run, references: Path, progress: Progress) -> TrainSummary:
    """The training itself, in every process that takes part; only the first keeps `references` in a file."""
    from train.loop import train
    from train.reference import ReferenceLogps

    pairs = training_pairs(list(run.pairs()), list(run.labels()))
    with Store(references, ReferenceLogps) as store:
        return train(
            [*pairs, *read_singles(run, pairs)],
            run.reference,
            run.config.train,
            run.config.seed,
            run.folder.policy,
            run.folder.metrics,
            store,
            progress,
            run.folder.recording,
        )


def _damage(run: Run) -> str | None:
    """What is wrong with the policy that is there, in words; None if there is none, or nothing is seen."""
    policy = run.folder.policy
    damage = model_damage(policy) if (policy / WEIGHTS).exists() else None
    return f"damaged: {policy.name}/{damage}" if damage else None


def _set_damage_aside(run: Run) -> None:
    """A damaged policy is kept under another name; a checkpoint of the training that is to go on stays."""
    from train.checkpoint import NAME

    policy = run.folder.policy
    if _damage(run) is None:
        return
    aside = set_aside(policy)
    policy.mkdir()
    if (aside / NAME).exists():
        os.rename(aside / NAME, policy / NAME)
    run.console.say(f"  the damaged policy is kept as {aside.name}")


def _execute(run: Run) -> list[str]:
    from pipeline.model_card import write_model_card
    from train import team

    require_passed(run)
    run.close_engines()
    _set_damage_aside(run)
    with tracked(run, _inputs(run), run.console.tick) as progress:
        team.send(CALL)
        summary = train_policy(run, run.folder.references, progress)
    if run.config.pairs:
        unused = unused_singles(run)
        warnings = (*summary.warnings, OFF_POLICY, *([unused] if unused else []))
        summary = summary.model_copy(update={"warnings": warnings})
    write_model_card(run, list(run.labels()), summary)
    write_atomically(run.folder.training, summary.model_dump_json(indent=2) + "\n")
    return summary.lines()


def _preview(run: Run) -> list[str]:
    settings = run.config.train
    if not run.folder.labels.exists():
        return [f"{plural(settings.epochs, 'epoch')} of {settings.loss} on the labels, once they exist", NOT_MEASURED]
    labelled = sum(label.p is not None for label in run.labels())
    steps = settings.epochs * -(-round(labelled * (1 - settings.heldout_fraction)) // settings.pairs_per_step)
    epochs = f"{plural(settings.epochs, 'epoch')} of {settings.loss}"
    return [
        f"{plural(labelled, 'labelled pair')}, {epochs}: about {plural(steps, 'step')}",
        time_by_last(run, "train", _steps_done(run), steps, "step", RESUMED_UNTIMED),
    ]


def _steps_done(run: Run) -> int:
    """Of the training that is there; 0 where what it left cannot be read, which a training only replaces."""
    with suppress(PreceptorError):
        return int(read_object(run.folder.training, ("steps",))["steps"])
    return 0


TRAIN = Stage(
    name="train",
    needs=("generate", "label"),
    inputs=_inputs,
    uses=lambda config: settings_of(config, "model", "revision", "seed", "train", "audit"),
    outputs=lambda folder: [folder.policy / WEIGHTS, folder.training, folder.metrics],
    execute=_execute,
    preview=_preview,
    unfinished=_damage,
)
