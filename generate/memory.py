"""When memory runs out, on a GPU or on the CPU: batches become smaller, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

ResultT = TypeVar("ResultT")
SIGNS = (
    "defaultcpuallocator",
    "not enough memory",
    "out of memory",  # CUDA, HIP, MPS and XPU, in whatever exception
    "cublas_status_alloc_failed",
    "cusparse_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cudnn_status_internal_error_host_allocation_failed",
    "hipblas_status_alloc_failed",
    "rocblas_status_memory_error",
    "std::bad_alloc",
)
"""Of what torch and the libraries below it say when they cannot allocate, in lower case."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch or a library below it says that memory ran out."""
    # torch's own exceptions for it are RuntimeErrors that say so.
    said = str(error).lower()
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in said for sign in SIGNS))


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
