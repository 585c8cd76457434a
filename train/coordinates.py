"""Which numbers of the trained weights a recording keeps: a fixed random part of each weight, or all.

AdamW treats every coordinate on its own, so on these coordinates a recorded run can be played again exactly; a product
of two whole vectors is estimated from them, each weight's coordinates standing for all of its numbers.

Shapes: C coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from constitution.identity import seed_from
from train.tap import Where


class Coordinates(NamedTuple):
    """Sorted flat indexes into each trained weight, by its name, in the model's order; `stand_for_C` says how many
    numbers each coordinate stands for."""

    flat: dict[str, Tensor]
    stand_for_C: Tensor

    @property
    def total(self) -> int:
        """C."""
        return len(self.stand_for_C)

    def where(self, weights: Mapping[str, Tensor]) -> dict[int, Where]:
        """For a tap: by the weights' address."""
        found, start = {}, 0
        for name, flat in self.flat.items():
            found[weights[name].data_ptr()] = Where(flat, start)
            start += len(flat)
        return found

    def of(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The weights' (or gradients') values [C], in float32 on the CPU."""
        parts = [weights[name].detach().flatten()[flat.to(weights[name].device)] for name, flat in self.flat.items()]
        return torch.cat(parts).float().cpu()


def choose_coordinates(weights: Mapping[str, Tensor], count: int, seed: int) -> Coordinates:
    """About `count` of all numbers, of each weight in proportion to its size and at least one; all if there are not
    more."""
    total = sum(weight.numel() for weight in weights.values())
    flat: dict[str, Tensor] = {}
    stand_for = []
    generator = torch.Generator().manual_seed(seed_from("coordinates", seed))
    for name, weight in weights.items():
        kept = min(weight.numel(), max(1, -(-count * weight.numel() // total)))
        # randint first: a permutation of a large weight would need more memory than the weight.
        drawn = torch.randint(weight.numel(), (2 * kept + 64,), generator=generator).unique()
        whole = kept == weight.numel() or len(drawn) < kept
        flat[name] = (
            torch.randperm(weight.numel(), generator=generator)[:kept].sort().values
            if whole
            else drawn[torch.randperm(len(drawn), generator=generator)[:kept]].sort().values
        )
        stand_for.append(torch.full((kept,), weight.numel() / kept))
    return Coordinates(flat, torch.cat(stand_for))
