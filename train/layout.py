"""Whether a model's pairs may share rows. Decided by what the model says of itself, then by trying.

Shared rows need every layer to attend to the whole of its own sequence through transformers' attention interface, and
positions that come from `position_ids`. Sliding windows, state-space and linear-attention layers are refused by the
configuration. What the configuration does not tell (ALiBi, soft-capped scores, attention sinks, a body that ignores
`position_ids`) shows in the results: two short pairs in one shared row must have the log-probabilities that the model's
own forward pass gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from constitution.errors import ModelError
from train import attention
from train.logps import answer_logps
from train.policy import Policy
from train.rows import Layout, separate_rows, shared_row
from train.tokens import TokenPair

PROBE_PROMPT, PROBE_ANSWER = 16, 8
PROBE_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5}


class Choice(NamedTuple):
    """The layout to use, and why in a few words."""

    layout: Layout
    why: str


def choose_layout(policy: Policy, pairs: Sequence[TokenPair]) -> Choice:
    """Try shared rows on the two shortest pairs, cut short; sets the model's attention accordingly.

    Raises ModelError if even separate rows do not give the model's own log-probabilities, as with a model that rescales
    its logits after the head.
    """
    probes = [_cut(pair) for pair in sorted(pairs, key=lambda tokens: tokens.size)[:2]]
    own_B_2 = _own_logps(policy, probes)
    tolerance = PROBE_TOLERANCE[policy.dtype]
    with torch.no_grad():
        separate_B_2 = answer_logps(policy, separate_rows(probes, policy.pad).to(policy.device))
    if not torch.allclose(separate_B_2, own_B_2, rtol=0, atol=tolerance):
        raise ModelError("the model does more after its head than a softmax (it rescales its logits): not supported")
    refusal = _refusal(policy.model)
    if refusal:
        return Choice("separate", f"two rows a pair ({refusal})")
    if not _shared_works(policy, probes, own_B_2, tolerance):
        return Choice("separate", "two rows a pair (this model's answers change when a row is shared)")
    return Choice("shared", "one row a pair, prompt shared")


def _refusal(model: Any) -> str | None:
    config = model.config.get_text_config()
    if not model._supports_attention_backend:
        return "it does not use transformers' attention interface"
    if set(getattr(config, "layer_types", None) or ["full_attention"]) != {"full_attention"}:
        return "not every layer attends to the whole sequence"
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return "its attention has a sliding window"
    return None


def _cut(pair: TokenPair) -> TokenPair:
    return pair._replace(prompt=pair.prompt[-PROBE_PROMPT:], a=pair.a[:PROBE_ANSWER], b=pair.b[:PROBE_ANSWER])


def _own_logps(policy: Policy, pairs: list[TokenPair]) -> torch.Tensor:
    """Log-probabilities [B, 2] by the model's own forward pass, one sequence at a time."""
    sums = []
    for pair in pairs:
        for answer in (pair.a, pair.b):
            tokens_1_T = torch.tensor([pair.prompt + answer], device=policy.device)
            with torch.no_grad(), policy.precision():
                logits_T_V = policy.model(input_ids=tokens_1_T, use_cache=False).logits[0].float()
            logps_T_V = logits_T_V[len(pair.prompt) - 1 : -1].log_softmax(-1)
            targets = torch.tensor(answer, dtype=torch.long, device=policy.device)
            sums.append(logps_T_V.gather(1, targets[:, None]).sum())
    return torch.stack(sums).view(-1, 2)


def _shared_works(policy: Policy, probes: list[TokenPair], own_B_2: torch.Tensor, tolerance: float) -> bool:
    attention.register()
    policy.model.set_attn_implementation(attention.NAME)
    try:
        with torch.no_grad():
            shared_B_2 = answer_logps(policy, shared_row(probes).to(policy.device))
    except TypeError:  # the body does not hand `spans` on to its layers
        shared_B_2 = torch.full_like(own_B_2, torch.nan)
    works = bool(torch.allclose(shared_B_2, own_B_2, rtol=0, atol=tolerance))
    if not works:
        policy.model.set_attn_implementation("sdpa")
    return works
