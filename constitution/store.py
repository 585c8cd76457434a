"""A content-addressed store of records: SQLite in WAL mode, one JSON row a record, committed a batch at a time.

Used for sampled responses, votes and reference log-probabilities. A record is found by the digest of everything that
determined it, so a run that is continued, or another run that shares the file, never computes it again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import StoreError

SCHEMA_VERSION = 1
RecordT = TypeVar("RecordT", bound=BaseModel)


class Store(Generic[RecordT]):
    """Records of one pydantic type under string keys. Safe for several processes (WAL, 60 s busy timeout)."""

    def __init__(self, path: Path, record_type: type[RecordT]) -> None:
        """Open or create the file. Raises StoreError if it is damaged or of another schema version."""
        self.path = path
        self._type = record_type
        with self._explained():
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            version = self._version()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            if version == 0:
                self._create()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors and unreadable records as StoreErrors: what can be tried again, and what is damaged."""
        try:
            yield
        except sqlite3.OperationalError as error:  # locked, full, read-only, no such folder
            raise StoreError(f"{self.path}: cannot be used now ({error}); nothing was deleted.") from error
        except (sqlite3.DatabaseError, ValidationError) as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(
                f"{self.path}: not a usable store ({reason}). Move it away to have its records computed again; "
                "nothing was deleted."
            ) from error

    def _version(self) -> int:
        """0 for a new file. Raises StoreError, before anything is written, for a file that is not ours to write to."""
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(f"{self.path}: written by schema version {version}, this program reads {SCHEMA_VERSION}")
        tables = [name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if version == 0 and set(tables) - {"records"}:  # another process may just be creating ours
            raise StoreError(f"{self.path}: a database of another program (tables: {', '.join(sorted(tables))})")
        return version

    def _create(self) -> None:
        self._db.execute("CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def get(self, keys: Iterable[str]) -> dict[str, RecordT]:
        """The records that exist among `keys`, in their order. Raises StoreError if the file is damaged."""
        wanted = list(keys)
        with self._explained():
            found = self._read(wanted)
        return {key: found[key] for key in wanted if key in found}

    def _read(self, keys: list[str]) -> dict[str, RecordT]:
        rows = self._db.execute(
            "SELECT key, body FROM records WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(keys),)
        )
        return {key: self._type.model_validate_json(body) for key, body in rows}

    def put(self, records: Mapping[str, RecordT]) -> None:
        """Commit a batch: after this returns, a kill -9 loses none of it. Raises StoreError if it cannot be written."""
        with self._explained(), self._transaction():
            self._write(records)

    def settle(self, records: Mapping[str, RecordT], is_final: Callable[[RecordT], bool]) -> dict[str, RecordT]:
        """Commit a batch, but where another process was first, its record stays if it `is_final`.

        Returns what is stored under these keys now, so that every process goes on with the same. Raises as `put`.
        """
        with self._explained(), self._transaction():
            kept = {key: record for key, record in self._read(list(records)).items() if is_final(record)}
            self._write({key: record for key, record in records.items() if key not in kept})
        return dict(records) | kept

    def _write(self, records: Mapping[str, RecordT]) -> None:
        rows = ((key, record.model_dump_json()) for key, record in records.items())
        self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                self._db.execute("ROLLBACK")
            raise

    def __len__(self) -> int:
        with self._explained():
            return int(self._db.execute("SELECT count(*) FROM records").fetchone()[0])

    def close(self) -> None:
        """Close the file; its write-ahead log is folded in."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SeenKeys:
    """A set of keys that lives on disk: SQLite's own temporary file, gone when it is closed, however many there are."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Iterable[str]) -> set[str]:
        """Put them in; returns those that were not in before."""
        rows = self._db.execute(
            "INSERT OR IGNORE INTO seen SELECT value FROM json_each(?) WHERE true RETURNING key",
            (json.dumps(list(keys)),),
        )
        return {key for (key,) in rows}

    def close(self) -> None:
        """Give the temporary file back."""
        self._db.close()
