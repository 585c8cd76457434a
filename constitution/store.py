"""A content-addressed store of records: SQLite in WAL mode, one JSON row a record, committed a batch at a time.

Used for sampled responses, votes and reference log-probabilities. A record is found by the digest of everything that
determined it, so a run that is continued, or another run that shares the file, never computes it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from pydantic import BaseModel

from constitution.errors import StoreError

SCHEMA_VERSION = 1
RecordT = TypeVar("RecordT", bound=BaseModel)


class Store(Generic[RecordT]):
    """Records of one pydantic type under string keys. Safe for several processes (WAL, 60 s busy timeout)."""

    def __init__(self, path: Path, record_type: type[RecordT]) -> None:
        """Open or create the file. Raises StoreError if it is damaged or of another schema version."""
        self.path = path
        self._type = record_type
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{path}: not a usable store ({error}). Move it away to have its records computed again; "
                "nothing was deleted."
            ) from error

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(f"{self.path}: written by schema version {version}, this program reads {SCHEMA_VERSION}")
        with self._db:
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"
            )
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def get(self, keys: Iterable[str]) -> dict[str, RecordT]:
        """The records that exist among `keys`."""
        found: dict[str, RecordT] = {}
        for key in keys:
            row = self._db.execute("SELECT body FROM records WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[key] = self._type.model_validate_json(row[0])
        return found

    def put(self, records: Mapping[str, RecordT]) -> None:
        """Commit a batch: after this returns, a kill -9 loses none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?)",
                [(key, record.model_dump_json()) for key, record in records.items()],
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def __len__(self) -> int:
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
