"""Run a batch of prompts through a model up to their last tokens, computing what they have in common once.

    row of a batch:   | padding | shared prefix, from the cache | padding | its own tokens |

Padding is masked and takes no position, so a row's result is that of the row alone. K principles asked about one pair
of answers share all but the principle, and n samples of one prompt all but its last token.

Shapes: B rows, P cached columns, S own columns, H key-value heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from generate.prefixes import PASS_COST, Group, group_by_prefix

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache, PreTrainedModel


# A GPU computes hundreds of tokens in the time that it takes to start a pass. An estimate; it changes only the speed.
GPU_PASS_COST = 512


class Prefill(NamedTuple):
    """A batch ready for its own tokens. `cached` is P; `cache` is None if there is no common prefix."""

    ids_B_T: torch.Tensor
    mask_B_T: torch.Tensor
    cached: int
    cache: DynamicCache | None

    @property
    def positions_B_T(self) -> torch.Tensor:
        """Positions that skip the padding."""
        return (self.mask_B_T.cumsum(dim=1) - 1).clamp(min=0)


def prefill(model: PreTrainedModel, rows: Sequence[Sequence[int]], pad: int, share: bool = True) -> Prefill:
    """Lay out `rows` (token ids) and compute their common prefixes. `share=False` computes every row whole, later."""
    cost = GPU_PASS_COST if model.device.type == "cuda" else PASS_COST
    groups = group_by_prefix(rows, cost) if share else [Group(0, len(rows), 0)]
    columns_P = max(group.prefix for group in groups)
    columns_S = max(len(rows[i]) - group.prefix for group in groups for i in range(group.start, group.stop))
    ids, mask = [], []
    for group in groups:
        for row in rows[group.start : group.stop]:
            gaps = columns_P - group.prefix, columns_S - (len(row) - group.prefix)
            head, tail = list(row[: group.prefix]), list(row[group.prefix :])
            ids.append([pad] * gaps[0] + head + [pad] * gaps[1] + tail)
            mask.append([0] * gaps[0] + [1] * len(head) + [0] * gaps[1] + [1] * len(tail))
    import torch

    device = model.device
    cache = _compute_prefixes(model, rows, groups, columns_P) if columns_P else None
    return Prefill(torch.tensor(ids, device=device), torch.tensor(mask, device=device), columns_P, cache)


def next_logits(model: PreTrainedModel, batch: Prefill) -> torch.Tensor:
    """Logits of the token after each row, (B, V), in float32. Uses the batch's cache up."""
    output: Any = model(
        input_ids=batch.ids_B_T[:, batch.cached :],
        attention_mask=batch.mask_B_T,
        position_ids=batch.positions_B_T[:, batch.cached :],
        past_key_values=batch.cache,
        use_cache=batch.cache is not None,
        logits_to_keep=1,
    )
    logits_B_V: torch.Tensor = output.logits[:, -1].float()
    return logits_B_V


def _compute_prefixes(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], groups: Sequence[Group], columns_P: int
) -> DynamicCache:
    """Keys and values of every row's prefix, padded on the left to P columns: each layer (B, H, P, D)."""
    import torch
    from torch.nn.functional import pad
    from transformers import DynamicCache

    parts = [_compute_prefix(model, rows[group.start][: group.prefix]) for group in groups]
    merged = DynamicCache()
    shape_of = next(part for part in parts if part is not None)
    for layer in range(len(shape_of)):
        keys_values = []
        for kind in (0, 1):
            blocks = []
            for part, group in zip(parts, groups, strict=True):
                block_1_H_p_D = shape_of[layer][kind][:, :, :0] if part is None else part[layer][kind]
                padded = pad(block_1_H_p_D, (0, 0, columns_P - group.prefix, 0))
                blocks.append(padded.expand(group.stop - group.start, -1, -1, -1))
            keys_values.append(torch.cat(blocks))
        merged.update(keys_values[0], keys_values[1], layer)
    return merged


def _compute_prefix(model: PreTrainedModel, prefix: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
    """Keys and values of one prefix, a (1, H, p, D) pair a layer; None for no tokens."""
    if not prefix:
        return None
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    model(
        input_ids=torch.tensor([list(prefix)], device=model.device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return [(layer.keys, layer.values) for layer in cache.layers]
