"""Loss and whole gradient of one batch, by our trainer and by TRL's, at the same weights: are they the same numbers?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.training_plan import SEED, Plan, Side
from benchmarks.training_trl import make_trainer
from constitution.identity import seed_from
from constitution.progress import silent
from constitution.store import Store
from train.policy import trained_parameters
from train.reference import ReferenceLogps
from train.session import Job, prepare
from train.step import backward

NAME = "gradient.safetensors"
LOSS = "loss"
MOVE = 0.002
Weights = dict[str, torch.nn.Parameter]


class Equality(NamedTuple):
    """Cosine of the two whole gradients, and the absolute difference of the two losses."""

    gradient_cosine: float
    loss_difference: float


def save_gradient(plan: Plan, side: Side, work: Path) -> None:
    """Write one side's gradients, by parameter, and its loss."""
    from safetensors.torch import save_file

    found = _our_gradient(plan, work) if side == "ours" else _trl_gradient(plan, side, work)
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, work / NAME)


def compare(ours: Path, theirs: Path) -> Equality:
    """Of two folders that `save_gradient` wrote into."""
    from safetensors.torch import load_file

    first, second = load_file(ours / NAME), load_file(theirs / NAME)
    difference = abs(float(first.pop(LOSS)) - float(second.pop(LOSS)))
    assert set(first) == set(second)
    flat = [torch.cat([found[name].flatten().double() for name in sorted(found)]) for found in (first, second)]
    return Equality(float(torch.nn.functional.cosine_similarity(*flat, dim=0)), difference)


def _our_gradient(plan: Plan, work: Path) -> dict[str, torch.Tensor]:
    job = Job(plan.pairs, plan.model, plan.settings(), SEED, work, work / "metrics.jsonl")
    with Store(work / "references.sqlite", ReferenceLogps) as store:
        session = prepare(job, store, silent)
    weights = trained_parameters(session.trainee.policy)
    _move(weights)
    moved = backward(session.trainee, session.parts.train)
    return _gradients(weights) | {LOSS: moved.losses_B.mean()}


def _trl_gradient(plan: Plan, side: Side, work: Path) -> dict[str, torch.Tensor]:
    trainer = make_trainer(plan, side, work / "trl")
    weights = {name: weight for name, weight in trainer.model.named_parameters() if weight.requires_grad}
    _move(weights)
    batch: Any = next(iter(trainer.get_train_dataloader()))
    trainer.model.eval()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return _gradients(weights) | {LOSS: loss.detach().double()}


def _move(weights: Weights) -> None:
    """Away from the start, where the adapter changes nothing and the gradient of its first factor is 0."""
    with torch.no_grad():
        for name, weight in weights.items():
            generator = torch.Generator().manual_seed(seed_from("move", name))
            weight.add_(MOVE * torch.randn(weight.shape, generator=generator))


def _gradients(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
