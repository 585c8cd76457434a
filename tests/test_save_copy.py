"""A copy of a policy in training: the weights of save_policy, bit for bit, and the policy as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training import LORA, tiny_reference
from train.policy import make_trainable, trained_parameters
from train.save import save_policy
from train.save_copy import save_copy
from train.settings import LoraSettings


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("lora", [LORA, LORA.model_copy(update={"upper_layers": 1}), None])
def test_the_copy_has_the_policys_weights_and_the_policy_goes_on(
    tmp_path: Path, lora: LoraSettings | None, tied: bool
) -> None:
    policy = make_trainable(tiny_reference(tmp_path / "model", tie_word_embeddings=tied), lora, seed=5)
    with torch.no_grad():
        for weight in trained_parameters(policy).values():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    save_copy(policy, tmp_path / "copy", adapted=lora is not None)
    after = policy.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    (tmp_path / "policy").mkdir()
    save_policy(policy, tmp_path / "policy", adapted=lora is not None)
    copied, saved = (load_file(tmp_path / name / "model.safetensors") for name in ("copy", "policy"))
    assert copied.keys() == saved.keys()
    assert all(torch.equal(weight, saved[name]) for name, weight in copied.items())
    wanted = {path.name for path in (tmp_path / "policy").iterdir() if path.is_file()}
    assert {path.name for path in (tmp_path / "copy").iterdir()} == wanted
