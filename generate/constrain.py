"""Keep a model to the JSON of a typed record: outlines makes the automaton, this file applies it to a batch.

outlines' own processor fills a mask for every row and step anew and compiles a kernel at run time, which needs a C++
compiler on the user's machine. Here a mask is made once for every state of the automaton and kept: within a string the
state hardly changes, so a step costs one lookup a row. Nothing is cached on disk.

Shapes: B rows, V vocabulary (as wide as the logits).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    import torch
    from outlines_core import Index  # type: ignore[import-untyped]
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def json_index(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, schema: type[BaseModel]) -> Index:
    """The automaton over the tokenizer's vocabulary that accepts exactly the JSON of `schema` (from outlines)."""
    import outlines
    from outlines.backends import get_json_schema_logits_processor

    steerable = outlines.from_transformers(model, tokenizer)
    processor = get_json_schema_logits_processor("outlines_core", steerable, json.dumps(schema.model_json_schema()))
    index: Index = processor.index
    return index


class JsonConstraint:
    """A logits processor for one call of `generate`: every row is held to the automaton, from the first new token."""

    def __init__(self, index: Index, masks: dict[int, torch.Tensor]) -> None:
        """`masks` keeps the allowed tokens (V, bool) of each state seen so far; share it between calls."""
        self._index = index
        self._masks = masks
        self._states: list[int] = []

    def __call__(self, ids_B_T: torch.Tensor, logits_B_V: torch.Tensor) -> torch.Tensor:
        """The logits, with minus infinity for what the automaton does not allow."""
        import torch

        if self._states:
            self._states = [self._after(s, t) for s, t in zip(self._states, ids_B_T[:, -1].tolist(), strict=True)]
        else:
            self._states = [self._index.get_initial_state()] * len(ids_B_T)
        allowed_B_V = torch.stack([self._allowed(state, logits_B_V) for state in self._states])
        return logits_B_V.masked_fill(~allowed_B_V, -torch.inf)

    def _after(self, state: int, token: int) -> int:
        # EOS leads nowhere, and a finished row goes on with padding while others are still written.
        following = self._index.get_next_state(state, token)
        return state if following is None else int(following)

    def _allowed(self, state: int, logits_B_V: torch.Tensor) -> torch.Tensor:
        import torch

        if state not in self._masks:
            allowed_V = torch.zeros(logits_B_V.shape[1], dtype=torch.bool)
            allowed_V[torch.tensor(self._index.get_allowed_tokens(state))] = True
            self._masks[state] = allowed_V.to(logits_B_V.device)
        return self._masks[state]


class GumbelNoise:
    """A logits processor that makes greedy decoding a draw: each row from its own seed, whatever rows are beside it.

    The largest of logits / temperature + Gumbel noise is a draw from the softmax of logits / temperature (Gumbel 1954;
    Maddison et al. 2014, arXiv 1411.0030). torch draws for a whole batch from one seed instead, so that a resumed run,
    whose batches differ, would draw something else.
    """

    def __init__(self, temperature: float, seeds: Sequence[int]) -> None:
        """One seed a row."""
        import torch

        self._temperature = temperature
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, ids_B_T: torch.Tensor, logits_B_V: torch.Tensor) -> torch.Tensor:
        """The logits over the temperature, with noise; minus infinity stays."""
        import torch

        uniform_B_V = torch.stack([torch.rand(logits_B_V.shape[1], generator=g) for g in self._generators])
        tiny = torch.finfo(torch.float32).tiny
        noise_B_V = -torch.log(-torch.log(uniform_B_V.clamp(min=tiny, max=1 - 1e-7)))
        return logits_B_V.float() / self._temperature + noise_B_V.to(logits_B_V.device)
