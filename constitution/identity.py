"""Identity of records: sha256 over canonical JSON with field names, 128 bits kept.

The same on every machine, locale and PYTHONHASHSEED. Fields are named and the record's kind is hashed with them, so
that neighbouring fields cannot be confused ("ab", "c" is not "a", "bc") and a prompt can never collide with a response.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias

Canonical: TypeAlias = "bool | int | float | str | Sequence[Canonical] | Mapping[str, Canonical] | None"

KEY_HEX_DIGITS = 32
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_json(value: Canonical) -> str:
    """JSON with sorted keys, no spaces, non-ASCII escaped; NaN and infinity are refused (ValueError)."""
    return _ENCODER.encode(value)


def digest(kind: str, **fields: Canonical) -> str:
    """The 128-bit key (32 hex digits) of a record of this `kind` with these fields."""
    text = canonical_json({"kind": kind, "fields": fields})
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:KEY_HEX_DIGITS]


def rows_digest(kind: str, field: str, rows: Iterable[Canonical]) -> str:
    """`digest(kind, field=[*rows])`, with no more than one row in memory."""
    head, tail = canonical_json({"kind": kind, "fields": {field: []}}).split("[]")
    found = hashlib.sha256(f"{head}[".encode("ascii"))
    for number, row in enumerate(rows):
        found.update(f"{',' if number else ''}{canonical_json(row)}".encode("ascii"))
    found.update(f"]{tail}".encode("ascii"))
    return found.hexdigest()[:KEY_HEX_DIGITS]


def file_digest(path: Path) -> str:
    """The same, over a file's bytes: the revision of a model or data file that has no commit of its own."""
    with path.open("rb") as stream:
        return stream_digest(stream)


def stream_digest(stream: IO[bytes]) -> str:
    """The same, over what is left of a stream."""
    found = hashlib.sha256()
    while piece := stream.read(1 << 20):
        found.update(piece)
    return found.hexdigest()[:KEY_HEX_DIGITS]


def seed_from(*parts: Canonical) -> int:
    """A 31-bit seed derived from content, so that a batch done again after a crash draws the same samples."""
    return int(digest("seed", parts=list(parts))[:8], 16) & 0x7FFFFFFF
