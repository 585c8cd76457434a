"""Decoding attention gives what transformers' own gives, and the engine really uses it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from generate.attention import NAME, decoding_attention, register
from generate.engine import ModelRef


@pytest.mark.parametrize(("heads", "groups"), [(9, 3), (8, 1), (4, 4)])
@pytest.mark.parametrize("new", [1, 5])
@pytest.mark.parametrize("masked", [True, False])
def test_equals_the_function_that_copies_the_keys(heads: int, groups: int, new: int, masked: bool) -> None:
    torch.manual_seed(heads + new)
    query, key, value = (torch.randn(3, n, t, 16) for n, t in ((heads, new), (groups, 20), (groups, 20)))
    mask = None
    if masked:
        mask = torch.ones(3, 1, new, 20, dtype=torch.bool)
        mask[0, :, :, :7] = False
    module = SimpleNamespace(num_key_value_groups=heads // groups, is_causal=False, config=None)
    ours, _ = decoding_attention(module, query, key, value, mask, scaling=0.3)
    theirs, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
    assert ours.shape == (3, new, heads, 16)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_model_decodes_to_the_same_logits_with_padding(tiny_model: ModelRef) -> None:
    torch.manual_seed(0)
    ids = torch.randint(5, 1000, (3, 12))
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    found = []
    for name in ("sdpa", register()):
        model = AutoModelForCausalLM.from_pretrained(tiny_model.path, dtype=torch.float32).eval()
        model.set_attn_implementation(name)
        assert model.config._attn_implementation == name
        with torch.inference_mode():
            cache = model(ids, attention_mask=mask, use_cache=True).past_key_values
            step = torch.cat([mask, torch.ones(3, 1, dtype=mask.dtype)], 1)
            found.append(model(ids[:, :1], attention_mask=step, past_key_values=cache).logits)
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_the_embedded_engine_uses_it(tiny_model: ModelRef) -> None:
    from generate.engine_transformers import _load_weights

    assert _load_weights(tiny_model, torch.float32, torch.device("cpu")).config._attn_implementation == NAME
