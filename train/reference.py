"""The reference's log-probabilities, computed once for each pair's tokens, model revision and dtype, and kept.

Other labels, losses, seeds and epochs find them there, and so do other runs that share the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from constitution.identity import digest
from constitution.progress import Progress, Tick
from constitution.record import Record
from constitution.store import Store
from generate.engine import ModelRef
from train import team
from train.logps import answer_logps
from train.parallel import only_looking
from train.policy import Policy
from train.rows import Layout
from train.settings import TrainSettings
from train.tokens import TokenPair
from train.turns import gathered, turns

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
    known = _agreed(store.get(keys.values()), list(keys.values()))
    missing = [tokens for tokens in pairs if keys[tokens.pair.key] not in known]
    if missing:
        progress(Tick("reference", len(known), len(pairs)))
    batch = PAIRS_PER_COMMIT * team.size()
    for start in range(0, len(missing), batch):
        found = _compute(policy, missing[start : start + batch], layout, settings.row_tokens)
        fresh = {keys[key]: logps for key, logps in found.items()}
        store.put(fresh)
        known |= fresh
        progress(Tick("reference", len(known), len(pairs)))
    return {key: known[stored] for key, stored in keys.items()}


def _agreed(known: dict[str, ReferenceLogps], keys: Sequence[str]) -> dict[str, ReferenceLogps]:
    """What the first process's store has, in every process."""
    if team.size() == 1:
        return known
    nothing = ReferenceLogps(a=math.nan, b=math.nan)
    found = [known.get(key, nothing) for key in keys]
    table_B_2 = team.from_first(torch.tensor([[logps.a, logps.b] for logps in found], dtype=torch.float64))
    there = zip(keys, table_B_2.tolist(), strict=True)
    return {key: ReferenceLogps(a=a, b=b) for key, (a, b) in there if not math.isnan(a)}


def _compute(policy: Policy, pairs: Sequence[TokenPair], layout: Layout, row_tokens: int) -> References:
    share = turns(policy, pairs, layout, row_tokens)
    with only_looking(policy):
        logps_B_2 = torch.cat([answer_logps(policy, rows) for rows in share.rows]).cpu()
    order = share.own
    if team.size() > 1:
        logps_B_2, order = gathered(logps_B_2, share.own, pairs), list(pairs)
    found = zip(order, logps_B_2.tolist(), strict=True)
    return {tokens.pair.key: ReferenceLogps(a=a, b=b) for tokens, (a, b) in found}
