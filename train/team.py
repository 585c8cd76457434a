"""The processes that train one policy together: torchrun starts them, torch.distributed joins them.

    torchrun --standalone --nproc-per-node 2 $(which preceptor) train RUN.yaml

Every process reads the same pairs and keeps the same books; each runs the passes of its own share of the pairs
(turns.py), and DDP or FSDP2 adds up the gradients (parallel.py). Only the first one writes. Without torchrun there is
one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from constitution.record import Record

PATIENCE = timedelta(minutes=10)
"""How long a process waits for another. Between two meetings lies a forward and backward pass, or a file to be read."""
WORD = "word"
RecordT = TypeVar("RecordT", bound=Record)


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started; its environment variables say who is who.

    A process that dies, or is not heard of for `PATIENCE`, ends the others with an error.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    store, here, of = _met()
    dist.init_process_group(backend, store=store, rank=here, world_size=of, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


class _Met(NamedTuple):
    store: dist.Store
    rank: int
    size: int


@cache
def _met() -> _Met:
    store, here, of = next(dist.rendezvous("env://", timeout=PATIENCE))
    store.set_timeout(PATIENCE)
    return _Met(store, here, of)


def send(word: str) -> None:
    """In the first of several processes: the word that the others wait for in `heard`."""
    if size() > 1:
        _met().store.set(WORD, word)


def heard() -> str:
    """The first process's word; waits until there is one."""
    return str(_met().store.get(WORD).decode())


def size() -> int:
    """How many processes train."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def device() -> torch.device:
    """Where this process computes: its own GPU if there are any."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def from_first(values: Tensor) -> Tensor:
    """The first process's `values`, which have the same shape and dtype everywhere, on the CPU."""
    if size() == 1:
        return values
    values = values.to(device())
    dist.broadcast(values, src=0)
    return values.cpu()


def told(record: RecordT | None, kind: type[RecordT]) -> RecordT | None:
    """The first process's record, in every process."""
    if size() == 1:
        return record
    text = record.model_dump_json() if record else ""
    data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8) if text else torch.zeros(0, dtype=torch.uint8)
    length = int(from_first(torch.tensor(len(data))))
    found = bytes(from_first(data if is_first() else torch.zeros(length, dtype=torch.uint8)).tolist())
    return kind.model_validate_json(found) if found else None


def most(count: int) -> int:
    """The largest of the processes' counts."""
    if size() == 1:
        return count
    found = torch.tensor(count, device=device())
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def table(values: Tensor, places: Sequence[int], length: int) -> Tensor:
    """A table [length, ...] of which each process brings the rows `places`: the whole of it, in every process.

    Every row comes from one process and is added to zeros, so that nothing is rounded.
    """
    whole = torch.zeros(length, *values.shape[1:], dtype=values.dtype, device=device())
    whole[list(places)] = values.to(whole.device)
    dist.all_reduce(whole)
    return whole.to(values.device)
