"""The reference's log-probabilities, computed once for each pair's tokens, model revision and dtype, and kept.

Other labels, losses, seeds and epochs find them there, and so do other runs that share the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from constitution.identity import digest
from constitution.progress import Progress, Tick
from constitution.record import Record
from constitution.store import Store
from generate.engine import ModelRef
from train.logps import answer_logps
from train.policy import Policy
from train.rows import Layout, pack
from train.settings import TrainSettings
from train.tokens import TokenPair

PAIRS_PER_COMMIT = 32
References = dict[str, "ReferenceLogps"]


class ReferenceLogps(Record):
    """log pi_ref of a pair's answers, in nats, summed over their tokens."""

    a: float
    """Of `a`."""
    b: float
    """Of `b`."""


def reference_key(tokens: TokenPair, model: ModelRef, arithmetic: str) -> str:
    """Digest of all that determines them: token ids (so the template too), weights, arithmetic."""
    return digest("reference", prompt=tokens.prompt, a=tokens.a, b=tokens.b, revision=model.revision, dtype=arithmetic)


def reference_logps(
    policy: Policy,
    pairs: Sequence[TokenPair],
    model: ModelRef,
    layout: Layout,
    settings: TrainSettings,
    store: Store[ReferenceLogps],
    progress: Progress,
) -> References:
    """By pair key, for every pair; computed with `policy` as it is where the store has none. Commits as it goes."""
    keys = {tokens.pair.key: reference_key(tokens, model, policy.arithmetic) for tokens in pairs}
    known = store.get(keys.values())
    missing = [tokens for tokens in pairs if keys[tokens.pair.key] not in known]
    if missing:
        progress(Tick("reference", len(known), len(pairs)))
    for start in range(0, len(missing), PAIRS_PER_COMMIT):
        found = dict(_compute(policy, missing[start : start + PAIRS_PER_COMMIT], layout, settings.row_tokens))
        fresh = {keys[key]: logps for key, logps in found.items()}
        store.put(fresh)
        known |= fresh
        progress(Tick("reference", len(known), len(pairs)))
    return {key: known[stored] for key, stored in keys.items()}


def _compute(
    policy: Policy, pairs: Sequence[TokenPair], layout: Layout, row_tokens: int
) -> Iterator[tuple[str, ReferenceLogps]]:
    for rows in pack(pairs, row_tokens, layout, policy.pad):
        with torch.no_grad():
            logps_B_2 = answer_logps(policy, rows.to(policy.device)).tolist()
        for tokens, (a, b) in zip(rows.pairs, logps_B_2, strict=True):
            yield tokens.pair.key, ReferenceLogps(a=a, b=b)
