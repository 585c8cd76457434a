"""Weights on their way to the disk: safetensors files, whole or not there; errors of the disk in one sentence; and
whether a model on the disk can be what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from constitution.errors import StoreError
from constitution.files import replacing
from generate.quiet import first_line

if TYPE_CHECKING:
    from torch import Tensor

MODEL_FILES = ("*.json", "*.safetensors", "adapter/*.json", "adapter/*.safetensors")


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """One safetensors file, atomically. Raises StoreError if it cannot be written."""
    from safetensors.torch import save_file

    with writing(path), replacing(path) as stream:
        save_file(dict(tensors), stream.name, metadata=metadata)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """The disk's errors, as Python, safetensors and tokenizers put them, as one StoreError."""
    from safetensors import SafetensorError

    try:
        yield
    except Exception as error:
        # tokenizers raises a bare Exception, with Rust's words for what the system said.
        rust = type(error) is Exception and "(os error " in str(error)
        if not (rust or isinstance(error, (OSError, SafetensorError))):
            raise
        why = (isinstance(error, OSError) and error.strerror) or first_line(error)
        said = f"{path}: cannot be written ({why}). What was finished is kept: the same command goes on from there."
        raise StoreError(said) from error


def model_damage(folder: Path) -> str | None:
    """What of a saved model cannot be what was written, in words; None where nothing is seen. Of weights only the
    header is read, which says how long the file must be."""
    if not (folder / "config.json").is_file():
        return "config.json is gone"
    files = sorted(path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.name[0] != ".")
    return next((f"{path.relative_to(folder)}: {why}" for path in files if (why := _unreadable(path))), None)


def _unreadable(path: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            with safe_open(path, framework="np"):
                pass
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        return first_line(error)
    return None
