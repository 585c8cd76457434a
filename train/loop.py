"""The training run, from labelled pairs to a saved policy: `train`. The same call after a crash goes on where it was.

`metrics` gets one JSON object a step: `step`, `loss`, `learning_rate`, `grad_norm`, `accuracy`, `margin`,
`chosen_change`, `rejected_change` and `batch_principles` (records.Figures, PrincipleFigures) of the step's pairs before
its update; every `log_every` steps and at the end also `heldout_*` and `principles`, of the held-out pairs after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from constitution.files import write_atomically
from constitution.progress import Progress, Tick, silent
from constitution.store import Store
from generate.engine import ModelRef
from train.checkpoint import (
    Place,
    Standing,
    Weights,
    append_line,
    durable_size,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from train.metrics import figures
from train.policy import trained_parameters
from train.records import Figures, TrainPair, TrainSummary
from train.reference import ReferenceLogps
from train.save import save_policy
from train.schedule import learning_rate, step_pairs
from train.session import Job, Session, prepare, summarise
from train.settings import TrainSettings
from train.step import backward, check_first_step, evaluate, update

SUMMARY = "training.json"


def train(
    pairs: Sequence[TrainPair],
    model: ModelRef,
    settings: TrainSettings,
    seed: int,
    out: Path,
    metrics: Path,
    references: Store[ReferenceLogps],
    progress: Progress = silent,
) -> TrainSummary:
    """Train a policy on the pairs and save it in the folder `out`; on one machine's CPU the arguments determine it.

    A policy that is there already for the same inputs is not trained again. Raises DataError if no pair can be trained
    on, ModelError if the model cannot be.
    """
    job = Job(pairs, model, settings, seed, out, metrics)
    out.mkdir(parents=True, exist_ok=True)
    finished = _finished(job)
    if finished:
        return finished
    session = prepare(job, references, progress)
    standing = run_steps(session, progress)
    summary = summarise(session, standing)
    save_policy(session.trainee.policy, out)
    write_atomically(out / SUMMARY, summary.model_dump_json(indent=2) + "\n")
    remove_checkpoint(out)
    return summary


def _finished(job: Job) -> TrainSummary | None:
    weights = any(job.out.glob("model*.safetensors"))
    if not (weights and (job.out / SUMMARY).is_file() and job.metrics.is_file()):
        return None
    try:
        summary = TrainSummary.model_validate_json((job.out / SUMMARY).read_text(encoding="utf-8"))
    except ValueError:
        return None
    return summary if summary.inputs == job.inputs else None


class Learner(NamedTuple):
    """The adapter's weights by name, and their optimizer."""

    weights: Weights
    optimizer: torch.optim.AdamW


def run_steps(session: Session, progress: Progress) -> Standing:
    """All steps that are still to do; when this returns there is a checkpoint of the last one."""
    job = session.job
    weights = trained_parameters(session.trainee.policy)
    optimizer = torch.optim.AdamW(list(weights.values()), weight_decay=job.settings.weight_decay, fused=True)
    learner, inputs = Learner(weights, optimizer), job.inputs
    place = load_checkpoint(job.out, inputs, job.metrics, weights, optimizer)
    if not place:
        write_atomically(job.metrics, "")
    standing = place.standing if place else None
    for step in range(place.step if place else 0, session.steps):
        standing, done = _step(session, learner, standing, step), step + 1
        if done % job.settings.checkpoint_every == 0 or done == session.steps:
            size = durable_size(job.metrics)
            save_checkpoint(
                job.out, Place(inputs=inputs, step=done, metrics_bytes=size, standing=standing), weights, optimizer
            )
        progress(Tick("training", done, session.steps, f"loss {standing.last.loss:.4f}"))
    assert standing, "a training without steps"
    return standing


def _step(session: Session, learner: Learner, before: Standing | None, step: int) -> Standing:
    """Step `step`, counted from 0, and its line of metrics."""
    settings, trainee, steps = session.job.settings, session.trainee, session.steps
    pairs = step_pairs(session.parts.train, settings, session.job.seed, step)
    moved = backward(trainee, pairs)
    first = before.first_step if before else check_first_step(trainee, pairs, moved)
    rate = learning_rate(step, steps, settings)
    norm = update(learner.optimizer, list(learner.weights.values()), rate, settings.max_grad_norm, step + 1)
    last, heldout = figures(moved, trainee.loss), before.heldout if before else None
    line = {"step": step + 1, "learning_rate": rate, "grad_norm": norm, **_flat(last, "", "batch_principles")}
    if session.parts.heldout and ((step + 1) % settings.log_every == 0 or step + 1 == steps):
        heldout = figures(evaluate(trainee, session.parts.heldout), trainee.loss)
        line |= _flat(heldout, "heldout_", "principles")
    append_line(session.job.metrics, json.dumps(line, allow_nan=False))
    return Standing(first_step=first, last=last, heldout=heldout)


def _flat(found: Figures, prefix: str, principles: str) -> dict[str, object]:
    values = found.model_dump(mode="json")
    by_principle = values.pop("principles")
    return {prefix + name: value for name, value in values.items()} | {principles: by_principle}
