"""How many floating-point operations a training needs at the least, and how many this CPU can do in a second.

Needed: every prompt once a pair, the head on answer tokens only; 2 a weight and token forward, 2 for the gradient of
the activations, 2 more for trained weights; attention over what each token may see. Nothing computed twice counts.
"""

from __future__ import annotations

import time

import torch

from benchmarks.training_plan import Plan
from train.policy import attach_adapter, load_reference, trained_parameters
from train.tokens import tokenise

SIDE, TRIES = 2048, 8


def training_flops(plan: Plan) -> float:
    """Of the reference pass and all epochs."""
    settings = plan.settings()
    assert settings.lora
    policy = load_reference(plan.model, settings)
    config = policy.model.config
    pairs = tokenise(plan.pairs, policy.tokenizer, policy.stops, settings.max_length, settings.too_long).pairs
    tokens, answers = sum(pair.size for pair in pairs), sum(len(pair.a) + len(pair.b) for pair in pairs)
    body = sum(weight.numel() for layer in policy.body.layers for weight in layer.parameters() if weight.dim() == 2)
    head = policy.head.weight.numel()
    seen = sum(_seen(len(pair.prompt), len(pair.a)) + _seen(len(pair.prompt), len(pair.b)) for pair in pairs)
    seen -= sum(_seen(0, len(pair.prompt)) for pair in pairs)
    attention = 4 * seen * config.num_hidden_layers * config.hidden_size
    adapter = sum(weight.numel() for weight in trained_parameters(attach_adapter(policy, settings.lora, 0)).values())
    forward = 2 * (tokens * body + answers * head) + attention
    backward = 2 * (tokens * body + answers * head) + 2 * attention + 4 * tokens * adapter
    return float(forward + plan.epochs * (forward + 2 * tokens * adapter + backward))


def _seen(before: int, own: int) -> int:
    """(query, key) pairs of a prompt of `before` tokens and the `own` tokens after it, the prompt's own included."""
    return (before + own) * (before + own + 1) // 2


def matrix_flops(threads: int) -> float:
    """Operations a second of the best of several float32 matrix products of 2048 x 2048."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    best = float("inf")
    for _ in range(TRIES):
        started = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - started)
    torch.set_num_threads(before)
    return 2 * SIDE**3 / best
