"""Training again on other labels, against trainings that start from nothing; and each pair's gradient, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from constitution.progress import silent
from constitution.store import Store
from tests.training import LORA, make_pairs, save_tiny_model
from train.loop import run_steps
from train.losses import margins
from train.policy import trained_parameters
from train.records import TrainItem
from train.reference import ReferenceLogps
from train.retrain import Retrainer
from train.session import Job, Session, prepare
from train.settings import TrainSettings
from train.step import forward, turns_of
from train.tap import Tap, Where, tapped
from train.tokens import TokenPair

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = TrainSettings(
    lora=LORA.model_copy(update={"upper_layers": 2}), learning_rate=5e-3, epochs=2, pairs_per_step=4
)


def session(folder: Path, pairs: list[TrainItem], settings: TrainSettings = SETTINGS, seed: int = 3) -> Session:
    folder.mkdir(exist_ok=True)
    job = Job(pairs, save_tiny_model(folder / "model"), settings, seed, folder, folder / "metrics.jsonl")
    with Store(folder / "references.sqlite", ReferenceLogps) as store:
        return prepare(job, store, silent)


def weights(of: Session) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in trained_parameters(of.trainee.policy).items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, right[name]) for name, weight in left.items())


@pytest.mark.parametrize("change", [{}, {"loss": "ipo"}, {"loss": "kto"}, {"lora": None}])
def test_the_real_labels_give_the_real_run(tmp_path: Path, change: dict[str, object]) -> None:
    """Also after a training on other labels: nothing is left of it."""
    settings = TrainSettings(**(SETTINGS.model_dump(exclude_unset=True) | change))
    pairs = make_pairs(16)
    real = session(tmp_path / "real", [*pairs], settings)
    run_steps(real, silent)
    again = Retrainer(session(tmp_path / "again", [*pairs], settings))
    again.train({pair.key: 1 - pair.p for pair in pairs})
    assert not same(weights(again.session), weights(real))
    again.train({pair.key: pair.p for pair in pairs})
    assert same(weights(again.session), weights(real))


def test_other_labels_give_the_run_on_other_labels(tmp_path: Path) -> None:
    pairs = make_pairs(16)
    other = [pair.model_copy(update={"p": 1 - pair.p, "shares": ()}) for pair in pairs]
    real = session(tmp_path / "real", [*other], seed=9)
    run_steps(real, silent)
    again = Retrainer(session(tmp_path / "again", [*pairs], seed=9))
    again.train({pair.key: pair.p for pair in other})
    assert same(weights(again.session), weights(real))


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    pairs = make_pairs(16)
    again = Retrainer(session(tmp_path, [*pairs]))
    labels = {pair.key: pair.p for pair in pairs}
    again.train(labels, seed=4)
    first = weights(again.session)
    again.train(labels, seed=4)
    assert same(weights(again.session), first)
    again.train(labels)
    assert not same(weights(again.session), first)


def test_a_pair_without_a_label_pulls_nowhere_and_keeps_its_place(tmp_path: Path) -> None:
    """With one step of all pairs and a constant small rate: its silence is the gradient of the others alone, divided
    by all of them."""
    pairs = make_pairs(8)
    settings = TrainSettings(lora=None, epochs=1, pairs_per_step=8, heldout_fraction=0, max_grad_norm=1e9)
    again = Retrainer(session(tmp_path, [*pairs], settings))
    silenced = {pair.key: None if index < 3 else pair.p for index, pair in enumerate(pairs)}
    again.train(silenced)
    there = weights(again.session)
    again.train({key: p for key, p in silenced.items() if p is not None})
    assert same(weights(again.session), there)
    again.train({pair.key: pair.p for pair in pairs})
    assert not same(weights(again.session), there)
    start = weights(Retrainer(session(tmp_path / "fresh", [*pairs], settings)).session)
    again.train({pair.key: None for pair in pairs})
    assert same(weights(again.session), start)


def one_by_one(of: Session, pair: TokenPair) -> torch.Tensor:
    """The gradient of one pair's h, alone in its row."""
    (rows,) = turns_of(of.trainee, [pair]).rows
    found = trained_parameters(of.trainee.policy)
    (h,) = margins(forward(of.trainee, rows).scores, False)
    return torch.cat([grad.flatten() for grad in torch.autograd.grad(h, list(found.values()))])


def test_the_tap_gives_each_pairs_own_gradient(tmp_path: Path) -> None:
    """Against one backward pass a pair; with coefficients, and without changing the sum."""
    of = session(tmp_path, [*make_pairs(10)])
    run_steps(of, silent)
    found = trained_parameters(of.trainee.policy)
    starts = [0]
    for weight in found.values():
        starts.append(starts[-1] + weight.numel())
    where = {
        weight.data_ptr(): Where(torch.arange(weight.numel()), start)
        for weight, start in zip(found.values(), starts, strict=False)
    }
    rows = turns_of(of.trainee, of.parts.train).rows[0]
    assert len(rows.pairs) > 3
    coefficients_B = torch.linspace(-2, 3, len(rows.pairs))
    plain = torch.autograd.grad(
        (coefficients_B * margins(forward(of.trainee, rows).scores, False)).sum(), found.values()
    )
    with tapped(Tap(where, starts[-1], rows)) as tap:
        sums = torch.autograd.grad(
            (coefficients_B * margins(forward(of.trainee, rows).scores, False)).sum(), found.values()
        )
    assert all(torch.equal(one, other) for one, other in zip(plain, sums, strict=True))
    for grad_C, coefficient, pair in zip(tap.gradients(), coefficients_B, rows.pairs, strict=True):
        wanted_C = coefficient * one_by_one(of, pair)
        torch.testing.assert_close(grad_C, wanted_C, rtol=1e-3, atol=1e-4 * float(wanted_C.abs().max()))
