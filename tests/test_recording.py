"""What a training leaves for the trace, against gradients taken pair by pair and against the weights' own way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from constitution.errors import DataError
from constitution.progress import silent
from constitution.store import Store
from tests.training import LORA, make_pairs, save_tiny_model
from train.coordinates import choose_coordinates
from train.gradients import pair_gradients
from train.loop import train
from train.policy import trained_parameters
from train.recorded import Recorded, put_weights, read_recording, read_weights
from train.reference import ReferenceLogps
from train.session import Job, Session, prepare
from train.settings import TraceSettings, TrainSettings
from train.summary import TrainSummary

pytestmark = pytest.mark.usefixtures("one_thread")
ALL = TraceSettings(coordinates=10**9, snapshots=3)
BASE = {"lora": LORA, "learning_rate": 5e-3, "epochs": 2, "pairs_per_step": 4, "heldout_fraction": 0.2, "trace": ALL}
PAIRS = make_pairs(20)


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate(BASE | changes)


def trained(folder: Path, **changes: object) -> TrainSummary:
    folder.mkdir(exist_ok=True)
    model = save_tiny_model(folder / "model")
    with Store(folder / "references.sqlite", ReferenceLogps) as store:
        return train(
            PAIRS,
            model,
            settings(**changes),
            5,
            folder / "policy",
            folder / "metrics.jsonl",
            store,
            silent,
            folder / "rec",
        )


def session(folder: Path, **changes: object) -> Session:
    """The same training, not yet begun."""
    job = Job(PAIRS, save_tiny_model(folder / "model"), settings(**changes), 5, folder / "p", folder / "m")
    with Store(folder / "references.sqlite", ReferenceLogps) as store:
        return prepare(job, store, silent)


def recording(folder: Path, summary: TrainSummary) -> Recorded:
    return read_recording(folder / "rec", summary.inputs, summary.steps)


def test_recording_changes_no_weight(tmp_path: Path) -> None:
    for name, trace in (("with", ALL), ("without", None)):
        trained(tmp_path / name, trace=trace)
    files = [tmp_path / name / "policy" / "model.safetensors" for name in ("with", "without")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "without" / "rec").exists()


@pytest.mark.parametrize(
    "change",
    [{}, {"loss": "ipo", "tau": 0.05}, {"loss": "simpo"}, {"lora": None}, {"lora": LORA, "dtype": "mixed"}],
    ids=["dpo", "ipo", "simpo", "all weights", "mixed"],
)
def test_the_recorded_gradients_add_up_to_the_steps(tmp_path: Path, change: dict[str, object]) -> None:
    """AdamW played again from the recorded pulls and gradients goes the way that the weights went."""
    summary = trained(tmp_path, **change)
    found = recording(tmp_path, summary)
    weights = trained_parameters(session(tmp_path, **change).trainee.policy)
    coordinates = choose_coordinates(weights, 10**9, 5)
    assert coordinates.total == found.head.parameters
    at_C = coordinates.of(weights)
    start_C = at_C.clone()
    optimizer = torch.optim.AdamW([at_C.requires_grad_()], weight_decay=0.0)
    for step in found.steps:
        grad_C = step.pull_B.float() @ step.gradients_B_C
        assert float(grad_C.norm()) == pytest.approx(step.norm, rel=0.02 if "dtype" in change else 1e-4)
        at_C.grad = grad_C * min(1.0, 1.0 / (step.norm + 1e-6))
        optimizer.param_groups[0]["lr"] = step.rate
        optimizer.step()
    if change.get("lora", LORA) is None:
        return
    end_C = coordinates.of(read_weights(tmp_path / "rec", summary.steps))
    way_C, wanted_C = at_C.detach() - start_C, end_C - start_C
    assert float((way_C - wanted_C).norm()) < (0.1 if "dtype" in change else 1e-2) * float(wanted_C.norm())


def test_each_row_is_that_pairs_gradient_at_that_step(tmp_path: Path) -> None:
    summary = trained(tmp_path)
    found, of = recording(tmp_path, summary), session(tmp_path)
    weights = trained_parameters(of.trainee.policy)
    coordinates = choose_coordinates(weights, 10**9, 5)
    for done in found.head.snapshots[:-1]:
        put_weights(weights, read_weights(tmp_path / "rec", done))
        step = found.steps[done]
        pairs = [of.parts.train[place] for place in step.pairs_B.tolist()]
        assert [tokens.pair.key for tokens in pairs] == [found.head.pairs[place] for place in step.pairs_B.tolist()]
        alone = pair_gradients(of.trainee, pairs, coordinates, averaged=False)
        torch.testing.assert_close(step.h_B, alone.h_B, rtol=0, atol=1e-5)
        scale = float(alone.gradients_B_C.abs().max())
        torch.testing.assert_close(step.gradients_B_C, alone.gradients_B_C, rtol=1e-3, atol=1e-4 * scale)


def test_a_part_of_the_coordinates_stands_for_all(tmp_path: Path) -> None:
    summary = trained(tmp_path / "all")
    part = trained(tmp_path / "part", trace=TraceSettings(coordinates=900))
    whole, some = recording(tmp_path / "all", summary), recording(tmp_path / "part", part)
    weights = trained_parameters(session(tmp_path / "all").trainee.policy)
    coordinates = choose_coordinates(weights, 900, 5)
    assert some.head.coordinates == coordinates.total < whole.head.coordinates == whole.head.parameters
    assert float(coordinates.stand_for_C.sum()) == pytest.approx(whole.head.parameters)
    for step, full in zip(some.steps, whole.steps, strict=True):
        start, expected = 0, []
        for name, flat in coordinates.flat.items():
            expected.append(full.gradients_B_C[:, start + flat])
            start += weights[name].numel()
        torch.testing.assert_close(step.gradients_B_C, torch.cat(expected, 1), rtol=1e-4, atol=1e-6)


def test_room_is_kept_to(tmp_path: Path) -> None:
    kib = 64
    trained(tmp_path, trace=TraceSettings(gib=kib / 2**20))
    size = sum(path.stat().st_size for path in (tmp_path / "rec").glob("step-*"))
    assert 0.5 * kib * 1024 < size < 1.5 * kib * 1024


def test_losses_without_a_slope_leave_no_recording(tmp_path: Path) -> None:
    summary = trained(tmp_path, loss="orpo")
    with pytest.raises(DataError, match=r"left no recording.*`orpo` or `kto`"):
        recording(tmp_path, summary)


def test_a_recording_of_another_training_is_refused(tmp_path: Path) -> None:
    first = trained(tmp_path)
    shutil.rmtree(tmp_path / "policy")
    second = trained(tmp_path, learning_rate=1e-3)
    with pytest.raises(DataError, match="of another training"):
        recording(tmp_path, first)
    assert len(recording(tmp_path, second).steps) == second.steps
    (tmp_path / "rec" / "step-00002.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match=r"step-00002.safetensors: cannot be read"):
        recording(tmp_path, second)
