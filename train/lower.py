"""Hidden states below the first adapted layer, kept over epochs and evaluations.

With adapters in the upper layers only, what enters the first of them never changes: it is computed once a pair, mostly
by the reference pass, and kept while there is room. A pair's states are always computed in a row of its own, so they
are the same bits whether they were kept or not, whatever shares the row later and wherever a run was continued.

Shapes: T tokens of a pair's shared row, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from train.policy import Policy, adapted_layers
from train.settings import LoraSettings
from train.tokens import TokenPair

Tokens = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class LowerStates:
    """States [T, D] by a pair's tokens, at most `room` bytes of them; `depth` layers lie below."""

    def __init__(self, depth: int, room: int) -> None:
        self.depth = depth
        self._room = room
        self._kept: dict[Tokens, Tensor] = {}

    def of(self, pair: TokenPair, compute: Callable[[TokenPair], Tensor]) -> Tensor:
        """The pair's states, from here or from `compute`."""
        key = (tuple(pair.prompt), tuple(pair.a), tuple(pair.b))
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        states_T_D = compute(pair)
        size = states_T_D.numel() * states_T_D.element_size()
        if size <= self._room:
            self._kept[key] = states_T_D
            self._room -= size
        return states_T_D


def with_lower_states(policy: Policy, lora: LoraSettings | None, gib: float) -> Policy:
    """The same policy, whose layers below the adapted ones run once a pair; unchanged where there are none."""
    adapted = adapted_layers(policy, lora) if lora else None
    if not adapted or not adapted[0]:
        return policy
    return policy._replace(lower=LowerStates(adapted[0], int(gib * 2**30)))
