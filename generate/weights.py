"""Weights on their way to the disk: safetensors files, whole or not there; errors of the disk in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from constitution.errors import StoreError
from constitution.files import replacing
from generate.quiet import first_line

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """One safetensors file, atomically. Raises StoreError if it cannot be written."""
    from safetensors.torch import save_file

    with writing(path), replacing(path) as stream:
        save_file(dict(tensors), stream.name, metadata=metadata)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """The disk's errors, as Python and as safetensors put them, as one StoreError."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        why = (isinstance(error, OSError) and error.strerror) or first_line(error)
        said = f"{path}: cannot be written ({why}). What was finished is kept: the same command goes on from there."
        raise StoreError(said) from error
