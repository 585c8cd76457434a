"""Shared rows give the log-probabilities and gradients of separate ones; the head's own gradient is autograd's."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from generate.engine import ModelRef
from tests.training import LORA, make_pairs, tiny_reference, token_pairs
from train import attention, fused, head
from train.layout import choose_layout
from train.logps import answer_logps
from train.policy import Policy, attach_adapter, load_reference, trained_parameters
from train.rows import Rows, pack, separate_rows, shared_row
from train.settings import TrainSettings
from train.tokens import TokenPair


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return tiny_reference(tmp_path_factory.mktemp("model"))


def shuffled(pairs: list[TokenPair]) -> list[TokenPair]:
    return random.Random(3).sample(pairs, len(pairs))


def plain_logps(policy: Policy, pairs: list[TokenPair]) -> torch.Tensor:
    """The oracle: one sequence at a time through the whole model and its own attention, softmax over all logits."""
    sums = []
    for pair in pairs:
        for answer in (pair.a, pair.b):
            logits = policy.model(input_ids=torch.tensor([pair.prompt + answer]), use_cache=False).logits[
                0, len(pair.prompt) - 1 : -1
            ]
            sums.append(logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None]).sum())
    return torch.stack(sums).view(-1, 2)


def own_attention(policy: Policy) -> Policy:
    policy.model.set_attn_implementation("sdpa")
    return policy


def block_mask_logps(policy: Policy, pairs: list[TokenPair]) -> torch.Tensor:
    """The same row with the model's own attention under an explicit [1, 1, T, T] mask."""
    owners, parts = [], []
    for index, pair in enumerate(pairs):
        owners += [index] * (len(pair.prompt) + len(pair.a) + len(pair.b))
        parts += [0] * len(pair.prompt) + [1] * len(pair.a) + [2] * len(pair.b)
    same_pair = torch.tensor(owners)[:, None] == torch.tensor(owners)
    part = torch.tensor(parts)
    visible = same_pair & ((part == 0) | (part[:, None] == part))
    mask = visible.tril()[None, None]
    rows = shared_row(pairs)._replace(mask_R_T=mask, spans=())
    return answer_logps(own_attention(policy), rows)


def shared(policy: Policy, rows: Rows) -> torch.Tensor:
    attention.register()
    policy.model.set_attn_implementation(attention.NAME)
    return answer_logps(policy, rows)


@torch.no_grad()
def test_every_layout_gives_the_plain_log_probabilities(reference: Policy) -> None:
    pairs = shuffled(token_pairs(reference, make_pairs(7)))
    plain = plain_logps(own_attention(reference), pairs)
    torch.testing.assert_close(answer_logps(reference, separate_rows(pairs, 0)), plain, rtol=0, atol=1e-4)
    torch.testing.assert_close(shared(reference, shared_row(pairs)), plain, rtol=0, atol=1e-4)
    per_token = (shared(reference, shared_row(pairs)) - plain).abs() / shared_row(pairs).lengths_B_2
    assert per_token.max() < 1e-5


@torch.no_grad()
def test_attention_is_the_block_masks(reference: Policy) -> None:
    pairs = token_pairs(reference, make_pairs(4))
    torch.testing.assert_close(
        shared(reference, shared_row(pairs)), block_mask_logps(reference, pairs), rtol=0, atol=1e-4
    )


@torch.no_grad()
def test_no_answer_depends_on_another(reference: Policy) -> None:
    pairs = token_pairs(reference, make_pairs(3))
    before = shared(reference, shared_row(pairs))
    others = [pairs[0]._replace(b=pairs[0].b[::-1]), pairs[1]._replace(a=pairs[1].a[::-1]), pairs[2]]
    after = shared(reference, shared_row(others))
    unchanged = torch.tensor([[True, False], [False, True], [True, True]])
    torch.testing.assert_close(after[unchanged], before[unchanged], rtol=0, atol=1e-5)
    assert (after - before)[~unchanged].abs().min() > 1e-2


def test_gradients_are_the_plain_ones(tmp_path: Path) -> None:
    reference = tiny_reference(tmp_path)
    policy = attach_adapter(reference, LORA, seed=1)
    weights = trained_parameters(policy)
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    pairs = token_pairs(policy, make_pairs(5))
    scales = torch.linspace(-1, 1, 10).view(5, 2)

    def gradient(logps: torch.Tensor) -> torch.Tensor:
        found = torch.autograd.grad((logps * scales).sum(), list(weights.values()))
        return torch.cat([part.flatten() for part in found])

    plain = gradient(plain_logps(own_attention(policy), pairs))
    separate = gradient(answer_logps(policy, separate_rows(pairs, 0)))
    assert (separate - plain).norm() / plain.norm() < 1e-5
    assert (gradient(shared(policy, shared_row(pairs))) - plain).norm() / plain.norm() < 1e-5


@pytest.mark.parametrize("tile", [1, 37, 399, 400, 5000])
def test_the_head_in_tiles_is_softmax_and_autograd(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    """Tiles that do not divide the vocabulary; logits so far apart that a plain exp would overflow."""
    monkeypatch.setattr(head, "TILE", tile)
    generator = torch.Generator().manual_seed(2)
    weight_V_D, bias_V = torch.randn(400, 12, generator=generator), torch.randn(400, generator=generator)
    targets_N = torch.randint(400, (30,), generator=generator)
    slopes = []
    for logps in (head.head_logps, head._chunk_logps):
        hidden_N_D = (20 * torch.randn(30, 12, generator=torch.Generator().manual_seed(3))).requires_grad_()
        found_N = logps(hidden_N_D, weight_V_D, bias_V, targets_N)
        (found_N * torch.arange(30)).sum().backward()
        slopes.append((found_N.detach(), hidden_N_D.grad))
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(
            head.head_logps(hidden_N_D, weight_V_D, bias_V, targets_N), slopes[1][0], rtol=1e-5, atol=1e-4
        )


@pytest.mark.parametrize("layout", ["shared", "separate"])
@pytest.mark.parametrize("row_tokens", [1, 150, 400, 10_000])
def test_packing_keeps_every_pair_within_the_limit(reference: Policy, layout: str, row_tokens: int) -> None:
    pairs = shuffled(token_pairs(reference, make_pairs(11)))
    packed = list(pack(pairs, row_tokens, layout, 0))  # type: ignore[arg-type]
    assert sorted(tokens.pair.key for rows in packed for tokens in rows.pairs) == [f"pair-{i:03d}" for i in range(11)]
    assert all(rows.tokens_R_T.numel() <= row_tokens or len(rows.pairs) == 1 for rows in packed)
    if row_tokens == 10_000:
        assert len(packed) == 1


def test_a_row_of_known_tokens() -> None:
    pair = make_pairs(1)[0]
    first, second = TokenPair(pair, [5, 6], [7, 8], [9]), TokenPair(pair, [1], [2], [3, 4])
    rows = shared_row([first, second])
    assert rows.tokens_R_T.tolist() == [[5, 6, 7, 8, 9, 1, 2, 3, 4]]
    assert rows.positions_R_T.tolist() == [[0, 1, 2, 3, 2, 0, 1, 1, 2]]
    assert rows.picks_N.tolist() == [1, 2, 1, 5, 5, 7]
    assert rows.targets_N.tolist() == [7, 8, 9, 2, 3, 4]
    assert rows.owners_N.tolist() == [0, 0, 1, 2, 3, 3]
    assert rows.lengths_B_2.tolist() == [[2, 1], [1, 2]]
    assert rows.spans[1].seen_by_b_Q_K.tolist() == [[True, True, False], [True, True, True]]


def test_layout_is_tried_on_the_model(reference: Policy) -> None:
    pairs = token_pairs(reference, make_pairs(4))
    assert choose_layout(own_attention(reference), pairs).layout == "shared"


def _other_model(folder: Path, kind: str) -> Policy:
    """A tiny model of another architecture with the same tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    reference = tiny_reference(folder)
    sizes = {"vocab_size": reference.model.config.vocab_size, "hidden_size": 32, "num_hidden_layers": 2}
    extra: dict[str, dict[str, object]] = {
        "mistral": {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64, "sliding_window": 16},
        "bloom": {"n_head": 4},
        "gpt2": {"n_head": 4, "n_embd": 32, "n_layer": 2, "n_positions": 256},
        "mamba": {"state_size": 4},
        "qwen3": {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(sizes | extra[kind]))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager" if kind == "bloom" else None)
    model.generation_config.eos_token_id = reference.tokenizer.eos_token_id
    model.eval().requires_grad_(False)
    return reference._replace(model=model, body=model.base_model, head=model.get_output_embeddings())


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("mistral", "separate"),
        ("bloom", "separate"),
        ("mamba", "separate"),
        ("gpt2", "shared"),
        ("qwen3", "shared"),
    ],
)
def test_models_that_cannot_share_rows_do_not(tmp_path: Path, kind: str, layout: str) -> None:
    """Sliding windows, ALiBi and state-space models get separate rows; learned absolute positions may share."""
    policy = _other_model(tmp_path, kind)
    pairs = token_pairs(policy, make_pairs(4))
    with torch.no_grad():
        plain = plain_logps(policy, pairs)
        choice = choose_layout(policy, pairs)
        rows = shared_row(pairs) if choice.layout == "shared" else separate_rows(pairs, policy.pad)
        assert choice.layout == layout, choice.why
        torch.testing.assert_close(answer_logps(policy, rows), plain, rtol=0, atol=1e-3)


def test_nothing_is_kept_below_the_first_adapted_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = attach_adapter(tiny_reference(tmp_path), LORA.model_copy(update={"upper_layers": 1}), seed=0)
    assert {name.split(".layers.")[1][0] for name in trained_parameters(policy)} == {"2"}
    seen: list[bool] = []
    pairs = token_pairs(policy, make_pairs(2))
    for layer in policy.body.layers:
        layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.requires_grad))
    answer_logps(own_attention(policy), separate_rows(pairs, 0))
    one_layer = fused.layer_output

    def watched(*given: Any) -> torch.Tensor:
        output = one_layer(*given)
        seen.append(output.requires_grad)
        return output

    monkeypatch.setattr(fused, "layer_output", watched)
    answer_logps(policy, shared_row(pairs)).sum().backward()
    assert seen == [False, False, True] * 2


@pytest.mark.real_model
@torch.no_grad()
def test_shared_rows_on_the_real_model(bundled_model: ModelRef) -> None:
    reference = load_reference(bundled_model, TrainSettings(dtype="float32"))
    pairs = token_pairs(reference, make_pairs(3))
    plain = plain_logps(reference, pairs)
    assert choose_layout(reference, pairs).layout == "shared"
    rows = shared_row(pairs)
    assert ((answer_logps(reference, rows) - plain).abs() / rows.lengths_B_2).max() < 1e-5
