"""A tap on the backward pass: each pair's own gradient, at some coordinates, beside the sum that training needs.

Pairs in a shared row do not see each other, so the positions of a pair carry its part of every adapter's gradient:
cutting the last product at the pairs' borders gives all of them for the price of one. The sum itself is left as it is,
bit for bit.

    with tapped(Tap(where, sizes)) as tap:
        (coefficients_B * h_B).sum().backward()
    tap.gradients()                                   # [B, C], each times its pair's coefficient

Shapes: T positions of a row, N of them before an answer token, B pairs of the row, C coordinates of all trained weights
together, O and I outputs and inputs of a linear layer, R rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from train.rows import Rows


class Where(NamedTuple):
    """The coordinates that are looked at in one weight: `flat` indexes it as [numel], `start` is the first one's place
    among the C."""

    flat: Tensor
    start: int


class Tap:
    """Collects the gradients of the pairs of one row while it is open."""

    def __init__(self, where: dict[int, Where], total: int, rows: Rows) -> None:
        """`where` is by the weights' address (data_ptr); `total` is C."""
        self._where = where
        positions = [len(tokens.prompt) + len(tokens.a) + len(tokens.b) for tokens in rows.pairs]
        answers = [len(tokens.a) + len(tokens.b) for tokens in rows.pairs]
        self._cuts = {sum(positions): positions, sum(answers): answers}
        self._found_B_C = torch.zeros(len(rows.pairs), total)

    def take(self, weight: Tensor, left_T_A: Tensor, right_T_B: Tensor, scale: float, turned: bool) -> None:
        """The gradient of `weight` is the sum over positions of left (x) right times `scale`; `turned`: it is stored
        the other way round."""
        where = self._where.get(weight.data_ptr())
        if where is None:
            return
        columns = slice(where.start, where.start + len(where.flat))
        cut = self._cuts[len(left_T_A)]
        for row, (left, right) in enumerate(zip(left_T_A.split(cut), right_T_B.split(cut), strict=True)):
            product = left.t() @ right
            if turned:
                # Indexing by row and column reads the transpose without making it.
                chosen = product[where.flat % len(product), where.flat // len(product)]
            else:
                chosen = product.flatten()[where.flat]
            self._found_B_C[row, columns] = chosen.float().cpu() * scale

    def gradients(self) -> Tensor:
        """[B, C], in the order of the row's pairs."""
        return self._found_B_C


_OPEN: list[Tap] = []


@contextmanager
def tapped(tap: Tap) -> Iterator[Tap]:
    """Everything that goes backward meanwhile is collected by `tap`."""
    _OPEN.append(tap)
    try:
        yield tap
    finally:
        _OPEN.remove(tap)


def open_taps() -> Sequence[Tap]:
    """What kernels.py reports to. Not a context variable: on a GPU, autograd goes backward in a thread of its own."""
    return _OPEN
