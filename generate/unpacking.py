"""How far a packed file may grow: text does so by little, a bomb by very much."""

from __future__ import annotations

MOST_UNPACKED = 100
"""A packed file may grow to so many times its size. Text grows to less than twenty, a bomb to a thousand."""
UNPACKED_BYTES = 16 * 1024 * 1024
"""What may be unpacked of any file, however small."""


def most_unpacked(packed: int) -> int:
    """Bytes that may come of `packed` bytes."""
    return max(UNPACKED_BYTES, MOST_UNPACKED * packed)
