"""Ways in which a file is found after a crash, a bad disk or a hand that slipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = 4096


def truncate_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)


def truncate_within_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 1234)


def truncate_to_the_header(path: Path) -> None:
    os.truncate(path, 60)


def no_bytes(path: Path) -> None:
    os.truncate(path, 0)


def flip_page(path: Path, page: int = 40) -> None:
    """Every bit of one page (counted from 0)."""
    data = bytearray(path.read_bytes())
    data[page * PAGE : (page + 1) * PAGE] = bytes(byte ^ 0xFF for byte in data[page * PAGE : (page + 1) * PAGE])
    path.write_bytes(bytes(data))


def zero_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60 * PAGE : 61 * PAGE] = bytes(PAGE)
    path.write_bytes(bytes(data))


def zero_header(path: Path) -> None:
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def other_text(path: Path) -> None:
    path.write_bytes(b"this is not a database, but somebody's notes" * 100)


def schema_gone(path: Path) -> None:
    """The first page, which says what tables there are, from another place of the file."""
    data = bytearray(path.read_bytes())
    data[100:PAGE] = data[10 * PAGE + 100 : 11 * PAGE]
    path.write_bytes(bytes(data))


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "truncated to half": truncate_half,
    "truncated within a page": truncate_within_a_page,
    "truncated to the header": truncate_to_the_header,
    "no bytes": no_bytes,
    "a flipped page": flip_page,
    "a page of zeros": zero_page,
    "a header of zeros": zero_header,
    "other text": other_text,
    "no schema": schema_gone,
}
"""Of a store with a hundred pages or more."""
