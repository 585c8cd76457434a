"""When memory runs out, on a GPU or on the CPU: batches become smaller, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

ResultT = TypeVar("ResultT")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python or torch says that memory ran out."""
    import torch

    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in said or "not enough memory" in said)


def in_batches(
    order: Sequence[int],
    size: int,
    run: Callable[[int, Sequence[int]], list[ResultT]],
    smaller: Callable[[int], int],
) -> dict[int, ResultT]:
    """`run(start, places)` over neighbours in `order`, `size` at a time; its results by place.

    A batch that is out of memory is tried again with the size that `smaller` gives for its own, as all later ones are.
    """
    results: dict[int, ResultT] = {}
    start = 0
    while start < len(order):
        places = order[start : start + size]
        try:
            found = run(start, places)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            size = smaller(len(places))
            continue
        results.update(zip(places, found, strict=True))
        start += len(places)
    return results
