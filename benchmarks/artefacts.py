"""A run folder as far as it must be the same every time: everything but times, and counts of one process's own work."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

VOLATILE: Mapping[str, tuple[str, ...]] = {
    ".stamps": ("seconds", "peak_mib", "started", "finished", "left", "summary"),
    "30-votes.json": ("asked", "stored", "tokens_in", "tokens_out", "paces"),
}
"""Fields that say how long something took or how much of it was there already, by the folder or file they are in."""
SKIPPED = (".lock", "30-pace.json")


def artefacts(folder: Path) -> dict[str, object]:
    """Name -> content: rows of stores, fields of JSON without the volatile ones, the bytes of all other files."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name in SKIPPED or name.endswith(("-wal", "-shm")):
            continue
        found[name] = _content(path, name, folder)
    return found


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """The names that only one of them has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def rows(store: Path) -> dict[str, str]:
    """Key -> body of what is committed; nothing where there is no store yet."""
    if not store.exists():
        return {}
    # A copy: to read a store whose writer was killed would already mend it (SQLite replays the log that it finds).
    with tempfile.TemporaryDirectory() as folder:
        for path in store.parent.glob(f"{store.name}*"):
            if path.name in (store.name, f"{store.name}-wal"):
                shutil.copy(path, folder)
        with closing(sqlite3.connect(Path(folder, store.name))) as db:
            return dict(db.execute("SELECT key, body FROM records"))


def _content(path: Path, name: str, folder: Path) -> object:
    if path.suffix == ".sqlite":
        return rows(path)
    if name in VOLATILE or path.parent.name in VOLATILE:
        fields = VOLATILE.get(name) or VOLATILE[path.parent.name]
        return _without(json.loads(path.read_text(encoding="utf-8")), fields)
    # Some files name the folder that they are in.
    return path.read_bytes().replace(str(folder.resolve().parent.parent).encode(), b"HERE")


def _without(value: Any, fields: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, fields) for key, inner in value.items() if key not in fields}
    return value
