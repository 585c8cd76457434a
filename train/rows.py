"""Pairs as rows of tokens. Two layouts, with the same log-probabilities:

    shared     [prompt a b | prompt a b | ...]   one row, no padding; b's positions restart after its prompt. a and b
                                                 see their prompt, not each other, nor another pair: attention.py
    separate   [prompt a ..], [prompt b ..]      two rows a pair, padded: for models that cannot have the first

Shapes: R rows of T tokens, N answer tokens, B pairs, 2 the answers a and b, Q and K query and key positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from train.tokens import TokenPair

Layout = Literal["shared", "separate"]


class Span(NamedTuple):
    """The extent of one pair in a shared row, in tokens, and what b's tokens [Q] see of prompt + b [K] (True: seen)."""

    prompt: int
    a: int
    b: int
    seen_by_b_Q_K: Tensor


class Rows(NamedTuple):
    """Pairs that run through the model together.

    `picks_N` are the positions, in the flattened [R * T], whose output predicts the answer tokens `targets_N`;
    `owners_N` says whose they are: 2 i for the a of pair i, 2 i + 1 for its b.
    """

    pairs: list[TokenPair]
    tokens_R_T: Tensor
    positions_R_T: Tensor
    mask_R_T: Tensor | None
    spans: tuple[Span, ...]
    picks_N: Tensor
    targets_N: Tensor
    owners_N: Tensor

    @property
    def lengths_B_2(self) -> Tensor:
        """Tokens of each answer."""
        return torch.bincount(self.owners_N, minlength=2 * len(self.pairs)).view(-1, 2)

    def to(self, device: torch.device) -> Rows:
        """The same on another device."""
        return self._replace(
            tokens_R_T=self.tokens_R_T.to(device),
            positions_R_T=self.positions_R_T.to(device),
            mask_R_T=None if self.mask_R_T is None else self.mask_R_T.to(device),
            spans=tuple(span._replace(seen_by_b_Q_K=span.seen_by_b_Q_K.to(device)) for span in self.spans),
            picks_N=self.picks_N.to(device),
            targets_N=self.targets_N.to(device),
            owners_N=self.owners_N.to(device),
        )


def pack(pairs: Sequence[TokenPair], row_tokens: int, layout: Layout, pad: int) -> Iterator[Rows]:
    """All pairs, longest first, in as few forward passes of at most `row_tokens` tokens as come of it (at least one
    pair each)."""
    waiting: list[TokenPair] = []
    for pair in sorted(pairs, key=lambda tokens: (-tokens.size, tokens.pair.key)):
        if waiting and _cost([*waiting, pair], layout) > row_tokens:
            yield _build(waiting, layout, pad)
            waiting = []
        waiting.append(pair)
    if waiting:
        yield _build(waiting, layout, pad)


def _cost(pairs: Sequence[TokenPair], layout: Layout) -> int:
    if layout == "shared":
        return sum(pair.size for pair in pairs)
    return 2 * len(pairs) * max(pair.longest for pair in pairs)


def _build(pairs: list[TokenPair], layout: Layout, pad: int) -> Rows:
    return shared_row(pairs) if layout == "shared" else separate_rows(pairs, pad)


def shared_row(pairs: list[TokenPair]) -> Rows:
    """One row that holds every prompt once."""
    tokens: list[int] = []
    positions: list[int] = []
    picks: list[int] = []
    for pair in pairs:
        start, prompt, a, b = len(tokens), len(pair.prompt), len(pair.a), len(pair.b)
        last = start + prompt - 1
        # Both first answer tokens are predicted by the prompt's last position.
        picks += [last, *range(last + 1, last + a)]
        picks += [last, *range(last + a + 1, last + a + b)] if b else []
        positions += [*range(prompt + a), *range(prompt, prompt + b)]
        tokens += pair.prompt + pair.a + pair.b
    return Rows(
        pairs,
        torch.tensor([tokens]),
        torch.tensor([positions]),
        None,
        tuple(_span(pair) for pair in pairs),
        torch.tensor(picks),
        *_answers(pairs),
    )


def _span(pair: TokenPair) -> Span:
    prompt, b = len(pair.prompt), len(pair.b)
    seen_Q_K = torch.ones(b, prompt + b, dtype=torch.bool).tril(prompt)
    return Span(prompt, len(pair.a), b, seen_Q_K)


def separate_rows(pairs: list[TokenPair], pad: int) -> Rows:
    """Two rows a pair, padded on the right with `pad`, whose outputs nothing reads."""
    sequences = [pair.prompt + answer for pair in pairs for answer in (pair.a, pair.b)]
    width = max(map(len, sequences))
    picks = [
        row * width + column
        for row, sequence in enumerate(sequences)
        for column in range(len(pairs[row // 2].prompt) - 1, len(sequence) - 1)
    ]
    lengths_R = torch.tensor([len(sequence) for sequence in sequences])
    columns_R_T = torch.arange(width).expand(len(sequences), width)
    return Rows(
        pairs,
        torch.tensor([sequence + [pad] * (width - len(sequence)) for sequence in sequences]),
        columns_R_T,
        (columns_R_T < lengths_R[:, None]).long(),
        (),
        torch.tensor(picks),
        *_answers(pairs),
    )


class _Answers(NamedTuple):
    targets_N: Tensor
    owners_N: Tensor


def _answers(pairs: Sequence[TokenPair]) -> _Answers:
    answers = [answer for pair in pairs for answer in (pair.a, pair.b)]
    owners = [owner for owner, answer in enumerate(answers) for _ in answer]
    return _Answers(torch.tensor([token for answer in answers for token in answer]), torch.tensor(owners))
