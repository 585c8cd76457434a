"""A content-addressed store of records: SQLite in WAL mode, one JSON row a record, committed a batch at a time.

Used for sampled responses, votes and reference log-probabilities. A record is found by the digest of everything that
determined it, so a run that is continued, or another run that shares the file, never computes it again.

A file that is damaged is noticed (SQLite's own checks, and a checksum of every record that is read), set aside and
replaced by a store of what can still be read; the error says so, and the same command again computes the rest. Opened
to read only, as a dry run opens it, it stays as it is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Generic, NoReturn, Self, TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import StoreError
from constitution.salvage import salvage
from constitution.store_file import MAGIC, Damaged, Row, add, checksum, insert, open_file, row_of

RecordT = TypeVar("RecordT", bound=BaseModel)
_REPLACED = (
    "another process has replaced this file while it was in use, so the latest records may not be in it. Run the same "
    "command again: what is missing is computed anew."
)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store(Generic[RecordT]):
    """Records of one pydantic type under string keys. Safe for several processes (WAL, 60 s busy timeout)."""

    def __init__(self, path: Path, record_type: type[RecordT], *, read_only: bool = False) -> None:
        """Open or create the file. Raises StoreError if it is damaged, of a later version, or another program's; with
        `read_only` also if it is of an earlier version."""
        self.path = path
        self._type = record_type
        self._read_only = read_only
        self._db: sqlite3.Connection | None = None
        self._place: tuple[int, int] | None = None
        with self._explained():
            self._place = self._place_now()
            self._db = open_file(path, self._own_key, read_only)
            self._place = self._place_now()

    @property
    def identity(self) -> str:
        """Tells this store from any other that may stand under its name later."""
        with self._explained():
            return str(self._open.execute("PRAGMA application_id").fetchone()[0])

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._db is not None, "the store is closed"
        return self._db

    def _place_now(self) -> tuple[int, int] | None:
        """Device and inode of the file; None if there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors and unreadable records as StoreErrors; a damaged file is set aside."""
        try:
            yield
        except (Damaged, UnicodeDecodeError) as error:  # the latter is sqlite3's, of a text that is none any more
            self._set_aside(str(error), error)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
                self._set_aside(str(error), error)
            # Locked, full, read-only, an error of the disk.
            raise StoreError(f"{self.path}: cannot be used now ({error}); nothing was deleted.") from error
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be used now ({error.strerror}); nothing was deleted.") from error
        except ValidationError as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(
                f"{self.path}: not a usable store: its records are of another kind ({reason}). Move it away to have "
                "them computed again; nothing was deleted."
            ) from error

    def _set_aside(self, reason: str, error: Exception) -> NoReturn:
        """Rename the damaged file and go on with its readable records; raises StoreError that says so."""
        self.close()
        if self._is_foreign():
            raise StoreError(f"{self.path}: not a store of Preceptor ({reason}); nothing was touched") from error
        if self._read_only:
            raise StoreError(
                f"{self.path}: damaged ({reason}); nothing was touched. The same command without --dry-run keeps "
                "it under another name and goes on with its readable records."
            ) from error
        try:
            saved = salvage(self.path, lambda: self._place_now() == self._place, self._own_key)
        except (sqlite3.Error, OSError) as second:
            raise StoreError(
                f"{self.path}: damaged ({reason}), and it cannot be set aside now ({second}); nothing was changed"
            ) from error
        if saved is None:
            raise StoreError(f"{self.path}: {_REPLACED}") from error
        raise StoreError(
            f"{self.path}: damaged ({reason}). It is kept as {saved.aside.name}; {saved.records} of its records could "
            "be read and stay in use. Run the same command again: what is missing is computed anew."
        ) from error

    def _is_foreign(self) -> bool:
        """Whether this is some other file that a run file named by mistake, rather than a damaged store."""
        with self.path.open("rb") as stream:
            start = stream.read(len(MAGIC))
        return self.path.suffix != ".sqlite" and start.strip(b"\0") != b"" and start != MAGIC

    def _own_key(self, key: str, body: bytes) -> str | None:
        """Records that know their key are kept under it, any other under the key that it was given."""
        try:
            record = self._type.model_validate_json(body)
        except ValidationError:
            return None
        return str(getattr(record, "key", key))

    def get(self, keys: Iterable[str]) -> dict[str, RecordT]:
        """The records that exist among `keys`, in their order. Raises StoreError if the file is damaged."""
        wanted = list(keys)
        with self._explained():
            found = self._read(wanted)
        return {key: found[key] for key in wanted if key in found}

    def _read(self, keys: list[str]) -> dict[str, RecordT]:
        rows = self._open.execute(
            "SELECT key, CAST(body AS BLOB), crc FROM records WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        return {key: self._record(key, body, crc) for key, body, crc in rows}

    def _record(self, key: object, body: object, crc: object) -> RecordT:
        if not (isinstance(key, str) and isinstance(body, bytes) and checksum(key, body) == crc):
            raise Damaged(f"the record {key} is not what was written")
        return self._type.model_validate_json(body)

    def everything(self) -> dict[str, RecordT]:
        """All records by key, in the order of their keys. Raises as `get`."""
        with self._explained():
            rows = self._open.execute("SELECT key, CAST(body AS BLOB), crc FROM records ORDER BY key")
            return {key: self._record(key, body, crc) for key, body, crc in rows}

    def batches(self, size: int) -> Iterator[dict[str, RecordT]]:
        """All records, `size` at a time, in the order of their keys, with no more in memory. Raises as `get`."""
        last = ""
        while True:
            with self._explained():
                rows = self._open.execute(
                    "SELECT key, CAST(body AS BLOB), crc FROM records WHERE key > ? ORDER BY key LIMIT ?", (last, size)
                )
                found = {key: self._record(key, body, crc) for key, body, crc in rows}
            if not found:
                return
            yield found
            last = max(found)

    def put(self, records: Mapping[str, RecordT]) -> None:
        """Commit a batch: after this returns, a kill -9 loses none of it. Raises StoreError if it cannot be written."""
        with self._explained(), self._transaction():
            insert(self._open, _rows(records))

    def settle(self, records: Mapping[str, RecordT], is_final: Callable[[RecordT], bool]) -> dict[str, RecordT]:
        """Commit a batch, but where another process was first, its record stays if it `is_final`.

        Returns what is stored under these keys now, so that every process goes on with the same. Raises as `put`.
        """
        with self._explained(), self._transaction():
            if add(self._open, _rows(records)) == len(records):  # nobody was first: the rule, and nothing to look up
                return dict(records)
            kept = {key: record for key, record in self._read(list(records)).items() if is_final(record)}
            insert(self._open, _rows({key: record for key, record in records.items() if key not in kept}))
        return dict(records) | kept

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        db = self._open
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # SQLite itself rolls back when the disk is full
                db.execute("ROLLBACK")
            raise
        if self._place_now() != self._place:
            raise StoreError(f"{self.path}: {_REPLACED}")

    def __len__(self) -> int:
        with self._explained():
            return int(self._open.execute("SELECT count(*) FROM records").fetchone()[0])

    def close(self) -> None:
        """Close the file; its write-ahead log is folded in."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _rows(records: Mapping[str, BaseModel]) -> list[Row]:
    return [row_of(key, record.model_dump_json()) for key, record in records.items()]
