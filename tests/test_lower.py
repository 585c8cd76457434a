"""What lies below the adapted layers runs once a pair, and changes no bit of the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from generate.engine import ModelRef
from tests.test_train_resume import SETTINGS, Kill, assert_same_end, contents, killed_run, run
from tests.training import LORA, make_pairs, save_tiny_model, tiny_reference, token_pairs
from train import fused
from train.logps import answer_logps
from train.lower import LowerStates, with_lower_states
from train.policy import Policy
from train.rows import shared_row
from train.settings import LayerRange
from train.tokens import TokenPair

UPPER = SETTINGS.model_copy(update={"lora": LORA.model_copy(update={"upper_layers": 1})})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@torch.no_grad()
def test_kept_states_give_the_same_log_probabilities(tmp_path: Path) -> None:
    policy = tiny_reference(tmp_path)
    pairs = token_pairs(policy, make_pairs(5))
    plain = answer_logps(policy, shared_row(pairs))
    for lora in (UPPER.lora, LORA.model_copy(update={"layers": LayerRange(first=1, last=1)})):
        kept = with_lower_states(policy, lora, 1.0)
        assert kept.lower
        torch.testing.assert_close(answer_logps(kept, shared_row(pairs)), plain, rtol=0, atol=1e-4)
    assert with_lower_states(policy, LORA, 1.0).lower is None
    assert with_lower_states(policy, None, 1.0).lower is None


def test_each_pair_is_computed_once_and_room_changes_no_bit(
    tmp_path: Path, model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    original = fused._lower_states

    def counted(policy: Policy, pair: TokenPair, depth: int) -> torch.Tensor:
        computed.append(pair.pair.key)
        return original(policy, pair, depth)

    monkeypatch.setattr(fused, "_lower_states", counted)
    run(tmp_path / "roomy", model, settings=UPPER)
    assert sorted(computed) == sorted(pair.key for pair in make_pairs(15))
    computed.clear()
    run(tmp_path / "none", model, settings=UPPER.model_copy(update={"activation_cache_gib": 0.0}))
    assert len(computed) > 3 * 15
    assert contents(tmp_path / "roomy") == contents(tmp_path / "none")


def test_a_continued_training_ends_alike(tmp_path: Path, model: ModelRef) -> None:
    killed_run(tmp_path / "killed", model, Kill("training", 6), settings=UPPER)
    run(tmp_path / "undisturbed", model, settings=UPPER)
    assert_same_end(tmp_path / "killed", tmp_path / "undisturbed", model, UPPER)


def test_room_is_kept_to() -> None:
    pairs = [TokenPair(pair, [1], [2], [3 + index]) for index, pair in enumerate(make_pairs(3))]
    lower = LowerStates(depth=1, room=2 * 3 * 4 * 4)
    computed = []

    def compute(pair: TokenPair) -> torch.Tensor:
        computed.append(pair.b[0])
        return torch.zeros(3, 4)

    for pair in [*pairs, *pairs]:
        lower.of(pair, compute)
    assert computed == [3, 4, 5, 5]
