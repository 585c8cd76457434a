"""Sets, names and orders that live on disk while something is read: SQLite's own temporary files, gone when closed.

However much passes by, the memory they take is that of SQLite's page cache.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from constitution.errors import StoreError

_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp", ".")  # noqa: S108  # named in a message alone
"""Where SQLite puts its temporary files: the first of these that can be written to, after the environment's."""


def temporary_folder() -> str:
    """The folder of SQLite's temporary files."""
    named = [folder for name in ("SQLITE_TMPDIR", "TMPDIR") if (folder := os.environ.get(name))]
    usable = (
        folder for folder in (*named, *_FOLDERS) if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
    )
    return next(usable, ".")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{temporary_folder()}: temporary files cannot be written ({error}). Set SQLITE_TMPDIR to a folder with "
            "more room, and run the same command again."
        ) from error


class _Scratch:
    """A database without a name, of one table. Whatever puts something in or reads it raises StoreError where the
    temporary files cannot be written."""

    table: str

    def __init__(self) -> None:
        # An iteration that was given up is closed by whatever thread collects it.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows("PRAGMA journal_mode=OFF")
        self._rows(self.table)

    def _rows(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """All rows of this statement."""
        with _explained():
            return self._db.execute(sql, tuple(values)).fetchall()

    def close(self) -> None:
        """Give the temporary file back."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class SeenKeys(_Scratch):
    """A set of keys."""

    table = "CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID"

    def add(self, keys: Iterable[str]) -> set[str]:
        """Put them in; returns those that were not in before."""
        rows = self._rows(
            "INSERT OR IGNORE INTO seen SELECT value FROM json_each(?) WHERE true RETURNING key",
            (json.dumps(list(keys)),),
        )
        return {key for (key,) in rows}


class FirstValues(_Scratch):
    """A value for every key: the first that was offered."""

    table = "CREATE TABLE firsts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"

    def get(self, key: str) -> str | None:
        """The key's value, if it has one."""
        found = self._rows("SELECT value FROM firsts WHERE key = ?", (key,))
        return str(found[0][0]) if found else None

    def setdefault(self, key: str, value: str) -> str:
        """The key's value, which is `value` if it had none."""
        self._rows("INSERT OR IGNORE INTO firsts VALUES (?, ?)", (key, value))
        return self.get(key) or ""

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM firsts")[0][0])


class Filed(_Scratch):
    """Texts under two keys each; under the same two they come back as they came."""

    table = "CREATE TABLE filed (one TEXT NOT NULL, other TEXT NOT NULL, text TEXT NOT NULL)"

    def __init__(self) -> None:
        super().__init__()
        self._rows("CREATE INDEX by_keys ON filed (one, other)")

    def add(self, keys: tuple[str, str], text: str) -> None:
        """One more text."""
        self._rows("INSERT INTO filed VALUES (?, ?, ?)", (*keys, text))

    def get(self, keys: tuple[str, str]) -> list[str]:
        """The texts under these keys."""
        rows = self._rows("SELECT text FROM filed WHERE one = ? AND other = ? ORDER BY rowid", keys)
        return [str(text) for (text,) in rows]


class Grouped(_Scratch):
    """Texts that come back group by group: groups by their first text, and within a group as they came."""

    table = "CREATE TABLE texts (place INTEGER NOT NULL, text TEXT NOT NULL)"

    def __init__(self) -> None:
        super().__init__()
        self._places = FirstValues()

    def add(self, group: str, text: str) -> None:
        """One more text of this group."""
        place = self._places.setdefault(group, str(len(self)))
        self._rows("INSERT INTO texts VALUES (?, ?)", (int(place), text))

    def __iter__(self) -> Iterator[str]:
        with _explained():  # the sorting, too, is done in temporary files
            for (text,) in self._db.execute("SELECT text FROM texts ORDER BY place, rowid"):
                yield str(text)

    def __len__(self) -> int:
        return int(self._rows("SELECT coalesce(max(rowid), 0) FROM texts")[0][0])

    def close(self) -> None:
        """Give the temporary files back."""
        super().close()
        self._places.close()
