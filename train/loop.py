"""The training run, from labelled pairs to a saved policy: `train`. The same call after a crash goes on where it was.

`metrics` gets one JSON object a step: `step`, `loss`, `learning_rate`, `grad_norm`, `accuracy`, `margin`,
`chosen_change`, `rejected_change` and `batch_principles` (records.Figures, PrincipleFigures) of the step's pairs before
its update; every `log_every` steps and at the end also `heldout_*` and `principles`, of the held-out pairs after it,
and `watch`, what the watch-dogs see there (watch.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from constitution.errors import ModelError
from constitution.files import write_atomically
from constitution.progress import Progress, Tick, silent
from constitution.store import Store
from generate.engine import ModelRef
from generate.memory import is_out_of_memory
from generate.models import TRAINING
from train import team
from train.baseline import session_baseline
from train.checkpoint import (
    Learner,
    Place,
    Standing,
    append_line,
    durable_size,
    keep_best,
    load_checkpoint,
    remove_checkpoint,
    restore_best,
    save_checkpoint,
)
from train.metrics import Moved, figures
from train.policy import trained_parameters
from train.recording import Recorder, why_not
from train.records import Figures, TrainItem
from train.reference import ReferenceLogps
from train.save import save_policy
from train.schedule import learning_rate, step_pairs
from train.session import Job, Session, prepare, summarise, whole_policy
from train.settings import TrainSettings
from train.step import backward, check_first_step, evaluate, update
from train.stopping import Best, is_over, judged
from train.summary import TrainSummary
from train.watch import watch


def train(
    pairs: Sequence[TrainItem],
    model: ModelRef,
    settings: TrainSettings,
    seed: int,
    out: Path,
    metrics: Path,
    references: Store[ReferenceLogps],
    progress: Progress = silent,
    recording: Path | None = None,
) -> TrainSummary:
    """Train a policy on pairs (for KTO also on single answers) and save it in the folder `out`.

    On one machine's CPU the arguments determine it. Where torchrun started several processes (team.py), each of them
    calls this, and the first one writes. `recording` is the folder for what the trace reads (recording.py). A policy
    that is there already for the same inputs is not trained again.
    Raises DataError if no pair can be trained on or the loss does not suit them, ModelError if the model cannot be
    trained.
    """
    job = Job(pairs, model, settings, seed, out, metrics, recording)
    if team.is_first():
        out.mkdir(parents=True, exist_ok=True)
    finished = team.told(_finished(job) if team.is_first() else None, TrainSummary)
    if finished:
        return finished
    with memory_explained(settings):
        session = prepare(job, references, progress)
        ended = run_steps(session, progress)
    summary = summarise(session, ended.standing, ended.step)
    policy = whole_policy(session)
    if team.is_first():
        save_policy(policy, out, adapted=settings.lora is not None)
        write_atomically(out / TRAINING, summary.model_dump_json(indent=2) + "\n")
        remove_checkpoint(out)
    return summary


@contextmanager
def memory_explained(settings: TrainSettings) -> Iterator[None]:
    """Memory that runs out as a ModelError that says what to change. Rows are not halved by themselves: other rows
    round differently, and the same run file would no longer give the same policy."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        advice = f"set `train.row_tokens` below {settings.row_tokens}, which changes no result but by rounding"
        if settings.lora is None:
            advice += ", or train an adapter (`train.lora`)"
        raise ModelError(
            f"training ran out of memory: {advice}. The references and the last checkpoint are kept: the same command "
            "goes on from there."
        ) from error


def _finished(job: Job) -> TrainSummary | None:
    weights = any(job.out.glob("model*.safetensors"))
    if not (weights and (job.out / TRAINING).is_file() and job.metrics.is_file()):
        return None
    try:
        summary = TrainSummary.model_validate_json((job.out / TRAINING).read_text(encoding="utf-8"))
    except ValueError:
        return None
    return summary if summary.inputs == job.inputs else None


def run_steps(session: Session, progress: Progress) -> Place:
    """All steps that are still to do; when this returns, the policy has the weights to be kept, and there is a
    checkpoint of the last step."""
    job, inputs = session.job, session.job.inputs
    learner = new_learner(session)
    place = load_checkpoint(job.out, inputs, job.metrics, learner)
    if not place and team.is_first():
        write_atomically(job.metrics, "")
    recorder = None if why_not(session) else Recorder(session)
    if recorder and place is None:
        recorder.snapshot(0)
    while place is None or not _ended(session, place):
        step = place.step + 1 if place else 1
        standing = _step(session, learner, place.standing if place else None, step - 1, recorder)
        place = Place(inputs=inputs, step=step, metrics_bytes=0, standing=standing)
        if step % job.settings.checkpoint_every == 0 or _ended(session, place):
            if team.is_first():
                place = place.model_copy(update={"metrics_bytes": durable_size(job.metrics)})
            save_checkpoint(job.out, place, learner)
        progress(Tick("training", step, session.steps, f"loss {standing.last.loss:.4f}"))
    restore_best(learner)
    if recorder and place.standing.best:
        recorder.snapshot(place.standing.best.step, wanted=True)
    return place


def new_learner(session: Session) -> Learner:
    """The session's weights with an optimizer that has done no step."""
    weights, decay = trained_parameters(session.trainee.policy), session.job.settings.weight_decay
    return Learner(weights, torch.optim.AdamW(list(weights.values()), weight_decay=decay, fused=True), {})


def _ended(session: Session, place: Place) -> bool:
    return place.step == session.steps or is_over(place.standing.best, session.job.settings.early_stop)


def _step(
    session: Session, learner: Learner, before: Standing | None, step: int, recorder: Recorder | None
) -> Standing:
    """Step `step`, counted from 0, and its line of metrics."""
    settings, trainee, steps = session.job.settings, session.trainee, session.steps
    pairs = step_pairs(session.parts.train, settings, session.job.seed, step)
    moved = backward(trainee, pairs, session_baseline(session, pairs), recorder.around if recorder else nullcontext)
    gradients_B_C = recorder.gradients(moved) if recorder else None
    first = before.first_step if before else check_first_step(trainee, moved)
    rate = learning_rate(step, steps, settings)
    norm = update(learner.optimizer, list(learner.weights.values()), rate, settings.max_grad_norm, step + 1)
    if recorder and gradients_B_C is not None:
        recorder.step(step + 1, moved, gradients_B_C, norm, rate)
    last = figures(moved, trainee.loss)
    line = {"step": step + 1, "learning_rate": rate, "grad_norm": norm, **_flat(last, "", "batch_principles")}
    standing = Standing(
        first_step=first,
        last=last,
        heldout=before.heldout if before else None,
        watched=before.watched if before else (),
        best=before.best if before else None,
    )
    if (step + 1) % settings.log_every == 0 or step + 1 == steps:
        standing = _watched(session, learner, standing, moved, step + 1)
        line |= _flat(standing.heldout, "heldout_", "principles") if standing.heldout else {}
        line["watch"] = {
            one.name: one.model_dump(mode="json", exclude={"name", "warnings"}) for one in standing.watched
        }
    if team.is_first():
        append_line(session.job.metrics, json.dumps(line, allow_nan=False))
    return standing


def _watched(session: Session, learner: Learner, standing: Standing, moved: Moved, done: int) -> Standing:
    """With held-out figures and watch-dogs after `done` steps; without held-out pairs they watch the step's own."""
    pairs, references, early_stop = session.parts.heldout, session.trainee.references, session.job.settings.early_stop
    if not pairs:
        return standing.model_copy(update={"watched": watch(moved, references, "last step's pairs")})
    moved = evaluate(session.trainee, pairs, session_baseline(session, pairs))
    heldout, watched = figures(moved, session.trainee.loss), watch(moved, references, "held-out pairs")
    # Every process must stop at the same step, so the first one's judgement is everyone's.
    best = team.told(judged(standing.best, done, heldout, watched, early_stop), Best) if early_stop else None
    if best and best.step == done:
        keep_best(learner)
    return standing.model_copy(update={"heldout": heldout, "watched": watched, "best": best})


def _flat(found: Figures, prefix: str, principles: str) -> dict[str, object]:
    values = found.model_dump(mode="json")
    by_principle = values.pop("principles")
    return {prefix + name: value for name, value in values.items()} | {principles: by_principle}
