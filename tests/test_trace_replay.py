"""A recorded run played again, against really training again; every pair's part, against the way the weights went."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from constitution.progress import silent
from constitution.store import Store
from reports.trace.fidelity import fidelity, words
from reports.trace.influence import Way, influence, update_shares
from reports.trace.replay import Recording, Rules, recording, replay
from reports.trace.whatif import label_set
from tests.training import LORA, make_pairs, save_tiny_model
from train.coordinates import choose_coordinates
from train.heldout import along
from train.loop import run_steps
from train.metrics import votes
from train.policy import trained_parameters
from train.recorded import Recorded, put_weights, read_recording, read_weights
from train.reference import ReferenceLogps
from train.retrain import Retrainer
from train.session import Job, Session, prepare
from train.settings import TraceSettings, TrainSettings

pytestmark = pytest.mark.usefixtures("one_thread")
PAIRS = make_pairs(24)
BASE = {
    "lora": LORA.model_copy(update={"freeze_a": True}),
    "learning_rate": 2e-3,
    "epochs": 2,
    "pairs_per_step": 4,
    "heldout_fraction": 0.3,
    "trace": TraceSettings(coordinates=10**9, snapshots=4),
}


class Ran(NamedTuple):
    session: Session
    folder: Path
    recorded: Recorded
    played: Recording
    again: Retrainer
    end: dict[str, Tensor]


def ran(folder: Path, **changes: object) -> Ran:
    settings = TrainSettings.model_validate(BASE | changes)
    model = save_tiny_model(folder / "model")
    job = Job(PAIRS, model, settings, 5, folder / "policy", folder / "metrics.jsonl", folder / "rec")
    job.out.mkdir()
    with Store(folder / "references.sqlite", ReferenceLogps) as store:
        session = prepare(job, store, silent)
    again = Retrainer(session)
    run_steps(session, silent)
    recorded = read_recording(folder / "rec", job.inputs, session.steps)
    slope = session.trainee.loss.slope
    assert slope is not None
    rules = Rules(slope, settings.max_grad_norm, settings.weight_decay)
    end = {name: weight.detach().clone() for name, weight in trained_parameters(session.trainee.policy).items()}
    played = recording(recorded.steps, recorded.stand_for_C, rules)
    return Ran(session, folder / "rec", recorded, played, again, end)


@pytest.fixture(scope="module")
def dpo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("dpo"))


@pytest.fixture(scope="module")
def ipo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("ipo"), loss="ipo", tau=0.5, weight_decay=0.1)


def at(run: Ran, weights: dict[str, Tensor]) -> Tensor:
    """The weights at the coordinates."""
    return choose_coordinates(weights, run.recorded.head.coordinates_asked, run.recorded.head.seed).of(weights)


def shown(run: Ran, steps: list[int]) -> list[Tensor]:
    """h [J] of the held-out pairs at kept weights, then their gradients there [J, C]."""
    pairs = run.session.parts.heldout
    seen = along(run.session, run.recorded, run.folder, pairs, steps, silent, averaged=False)
    return [found.h_B for found in seen.found] + [found.gradients_B_C for found in seen.found]


@pytest.mark.parametrize("name", ["dpo", "ipo"])
def test_the_real_labels_lead_nowhere_else(name: str, request: pytest.FixtureRequest) -> None:
    run: Ran = request.getfixturevalue(name)
    labels = {pair.key: pair.p for pair in PAIRS}
    away_C = replay(run.played, label_set(labels, run.recorded.head.pairs))
    moved = float((at(run, run.end) - at(run, dict(read_weights(run.folder, 0)))).norm())
    assert float(away_C.norm()) < 1e-4 * moved


@pytest.mark.parametrize("name", ["dpo", "ipo"])
def test_other_labels_lead_where_training_on_them_leads(name: str, request: pytest.FixtureRequest) -> None:
    """Turned, missing and softened labels; the direction and the length of the difference, and the held-out margins."""
    run: Ran = request.getfixturevalue(name)
    labels = {pair.key: (1 - pair.p, None, 0.5 + 0.3 * (pair.p - 0.5))[place % 3] for place, pair in enumerate(PAIRS)}
    away_C = replay(run.played, label_set(labels, run.recorded.head.pairs))
    now_J, gradients_J_C = shown(run, [run.session.steps])
    run.again.train(labels)
    weights = trained_parameters(run.session.trainee.policy)
    real_C = at(run, dict(weights)) - at(run, run.end)
    assert float(torch.nn.functional.cosine_similarity(away_C, real_C, 0)) > 0.97
    assert float(away_C.norm() / real_C.norm()) == pytest.approx(1, abs=0.1)
    moved = run.again.heldout()
    by_key = {pair.key: float(h) for pair, h in zip(moved.pairs, moved.h_B, strict=True)}
    real_J = torch.tensor([by_key[tokens.pair.key] for tokens in run.session.parts.heldout]) - now_J
    predicted_J = (gradients_J_C @ away_C).double()
    assert float((predicted_J - real_J).abs().mean()) < 0.15 * float(real_J.abs().mean())
    put_weights(weights, run.end)


@pytest.mark.parametrize("name", ["dpo", "ipo"])
def test_the_principles_shares_add_up_to_the_way_of_the_weights(name: str, request: pytest.FixtureRequest) -> None:
    run: Ran = request.getfixturevalue(name)
    by_key = {pair.key: pair for pair in PAIRS}
    table = votes([by_key[key] for key in run.recorded.head.pairs])
    shares_K_C = update_shares(run.played, table)
    assert len(shares_K_C) == 3
    way_C = -torch.stack(run.played.updates).sum(0)
    assert float((shares_K_C.sum(0) - way_C).norm()) < 1e-5 * float(way_C.norm())
    if not run.played.rules.decay:
        wanted_C = at(run, run.end) - at(run, dict(read_weights(run.folder, 0)))
        assert float((way_C - wanted_C).norm()) < 1e-3 * float(wanted_C.norm())


def test_every_pairs_part_adds_up_to_the_change(dpo: Ran) -> None:
    """Completeness on every held-out pair, and each pair's part against a loop over all steps of its own."""
    by_key = {pair.key: pair for pair in PAIRS}
    table = votes([by_key[key] for key in dpo.recorded.head.pairs])
    kept = dpo.recorded.kept
    found = shown(dpo, kept)
    margins, gradients = found[: len(kept)], found[len(kept) :]
    way = Way(kept, gradients)
    parts_N_K_J = influence(dpo.played, way, table)
    change_J = margins[-1] - margins[0]
    assert float((parts_N_K_J.sum((0, 1)) - change_J).abs().mean()) < 0.05 * float(change_J.abs().mean())
    torch.testing.assert_close(parts_N_K_J, slow_influence(dpo, way), rtol=1e-3, atol=1e-7)


def slow_influence(run: Ran, way: Way) -> Tensor:
    """Forwards: one first moment for every pair and principle, its own way of the weights, step by step."""
    by_key = {pair.key: pair for pair in PAIRS}
    parts = torch.zeros(len(run.recorded.head.pairs), 3, len(way.gradients[0]), dtype=torch.float64)
    second_C = torch.zeros_like(run.played.updates[0])
    first_N_K_C = torch.zeros(*parts.shape[:2], len(second_C))
    principles = sorted({share.principle for pair in PAIRS for share in pair.shares})
    for done, step in enumerate(run.played.steps):
        clip = min(1.0, run.played.rules.max_norm / (step.norm + 1e-6))
        whole_C = clip * (step.pull_B.float() @ step.gradients_B_C)
        second_C = 0.999 * second_C + 0.001 * whole_C**2
        first_N_K_C *= 0.9
        for place, h, gradient_C in zip(step.pairs_B.tolist(), step.h_B, step.gradients_B_C, strict=True):
            for share in by_key[run.recorded.head.pairs[place]].shares:
                slope = float(run.played.rules.slope(h, torch.tensor(share.p, dtype=torch.float64)))
                pull = clip * share.weight * slope / len(step.pairs_B)
                first_N_K_C[place, principles.index(share.principle)] += 0.1 * pull * gradient_C
        root_C = (second_C / (1 - 0.999 ** (done + 1))).sqrt() + 1e-8
        after = next(i for i, steps in enumerate(way.steps) if steps > done)
        probe_J_C = (way.gradients[after - 1] + way.gradients[after]) / 2
        parts -= step.rate / (1 - 0.9 ** (done + 1)) * ((first_N_K_C / root_C) @ probe_J_C.t()).double()
    return parts


def test_fidelity_of_known_tables() -> None:
    real = torch.tensor([[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [4.0, 0.0]]).numpy().astype(float)
    now = real[2]
    perfect = fidelity(real, real, now)
    assert perfect
    assert perfect.lds == pytest.approx(1)
    assert (perfect.size_error, perfect.sets, perfect.behaviours) == (0.0, 5, 2)
    doubled = fidelity(now + 2 * (real - now), real, now)
    assert doubled
    assert doubled.lds == pytest.approx(1)
    assert doubled.size_error == pytest.approx(1)
    reversed_ = fidelity(real[::-1].copy(), real, now)
    assert reversed_
    assert reversed_.lds == pytest.approx(-1)
    assert fidelity(real[:3], real[:3], now) is None
    still = fidelity(real, real * 0 + now, now)
    assert still
    assert still.size_error is None
    assert "no size error, since nothing changed" in words(still)
