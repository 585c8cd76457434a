"""The training benchmark in small: a tiny model in this process, the same functions, the same last line."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("trl", reason="TRL comes with the extra `dev`")

from benchmarks import training_data
from benchmarks.training import Repetition, ratios, summary
from benchmarks.training_equality import Equality, compare, save_gradient
from benchmarks.training_flops import matrix_flops, training_flops
from benchmarks.training_plan import SIDES, Plan
from benchmarks.training_side import time_ours, time_trl
from tests.training import make_pairs, save_tiny_model


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    pairs = tuple(pair.model_copy(update={"p": 1.0, "shares": ()}) for pair in make_pairs(4))
    model = save_tiny_model(tmp_path / "model")
    return Plan(model=model, pairs=pairs, epochs=2, pairs_per_step=4, threads=1)


def test_the_gradient_is_trls(tmp_path: Path, plan: Plan) -> None:
    for side in ("ours", "trl_default"):
        (tmp_path / side).mkdir()
        save_gradient(plan, side, tmp_path / side)
    same = compare(tmp_path / "ours", tmp_path / "trl_default")
    assert same.gradient_cosine >= 0.9999
    assert same.loss_difference <= 1e-5


def test_every_side_trains_and_the_summary_has_every_key(tmp_path: Path, plan: Plan) -> None:
    done: Repetition = {}
    for side in SIDES:
        (tmp_path / side).mkdir()
        done[side] = time_ours(plan, tmp_path / side) if side == "ours" else time_trl(plan, side, tmp_path / side)
    assert done["trl_default"].reference_seconds == 0
    assert 0 < done["trl_tuned"].reference_seconds < done["trl_tuned"].seconds
    assert 0 < done["ours"].reference_seconds < done["ours"].seconds
    for side in SIDES:  # in one process the peak is shared: give it a figure of its own
        done[side] = done[side].model_copy(update={"peak_mb": 100.0 if side == "ours" else 200.0})
    found = summary([done], Equality(1.0, 0.0), training_flops(plan), [matrix_flops(1)])
    keys = ["vs_trl_default", "vs_trl_tuned", "gradient_cosine", "loss_difference", "flop_share", "memory_ratio"]
    assert list(found) == keys
    assert found["memory_ratio"] == 0.5
    assert found["vs_trl_default"] == pytest.approx(ratios([done], "trl_default")[0], abs=1e-3)
    assert 0 <= found["flop_share"] < 1


def test_generated_pairs_have_the_shape_of_the_real_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training_data, "HH", tmp_path / "missing")
    made = training_data.workload(16)
    assert made.source.startswith("generated")
    words = sorted(len(pair.conversation[0].content.split()) for pair in made.pairs)
    assert words == sorted(prompt for prompt, _, _ in training_data.HH_WORDS)
    assert all(pair.a != pair.b for pair in made.pairs)
    assert made == training_data.workload(16)
