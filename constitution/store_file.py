"""The file behind a store: made whole or not at all, opened, brought to this version, and watched over by checksums.

    records(key, body, crc)    body: JSON; crc: CRC-32 of key and body, so that a flipped bit in the text is noticed

`application_id` is a random number: it tells a store from another that was put in its place.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

from constitution.chunks import batched
from constitution.errors import StoreError
from constitution.files import fsync_folder, holding

SCHEMA_VERSION = 3
MAGIC = b"SQLite format 3\x00"
COLUMNS = "(key TEXT PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL)"
BATCH_ROWS = 1000
CACHE_KIB = 8 * 1024
"""Of pages: what a large batch touches of a large index. SQLite's own 2 MiB would read many of them twice."""


class Damaged(Exception):
    """The file is not what was written to it; `str` says why one knows."""


OwnKey: TypeAlias = Callable[[str, bytes], str | None]
"""The key that a record should be under, from the key that it is under and its body; None if the body is no record."""


class Row(NamedTuple):
    """A record as it stands in the file."""

    key: str
    body: str
    crc: int


def row_of(key: str, body: str) -> Row:
    """The row of a record."""
    return Row(key, body, checksum(key, body.encode("utf-8")))


def checksum(key: str, body: bytes) -> int:
    """CRC-32 of the key, a zero byte and the body."""
    return zlib.crc32(body, zlib.crc32(key.encode("utf-8") + b"\0"))


def insert(db: sqlite3.Connection, rows: list[Row]) -> None:
    """Put rows in, replacing those with the same keys."""
    db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", sorted(rows))


def add(db: sqlite3.Connection, rows: list[Row]) -> int:
    """Put in those rows whose keys are not there yet; returns how many these were."""
    return db.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?)", sorted(rows)).rowcount


def open_file(path: Path, own_key: OwnKey, read_only: bool = False) -> sqlite3.Connection:
    """The database, made if it is not there, of this schema version.

    One process at a time makes, upgrades or sets aside the stores of a folder. Raises Damaged; StoreError for a file
    that is not ours to write to, and with `read_only` for one to upgrade; sqlite3.Error and OSError as they come.
    """
    if str(path) == ":memory:":
        return new_file(path)
    _check_kind(path)
    with holding(path.parent):
        if not path.exists():
            _make(path)
        if path.stat().st_size == 0:
            raise Damaged("it is empty")
        db = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            version = _checked_version(db, path)
            if version < SCHEMA_VERSION and read_only:
                raise StoreError(
                    f"{path}: written by schema version {version}; nothing was touched. The same command without "
                    f"--dry-run brings it up to version {SCHEMA_VERSION}."
                )
            _prepare(db)
            if read_only:
                db.execute("PRAGMA query_only=ON")
            elif version < SCHEMA_VERSION:
                _upgrade(db, version, own_key)
        except BaseException:
            db.close()
            raise
    return db


def _check_kind(path: Path) -> None:
    """Raises StoreError for what is there and no file: a store is renamed when it is damaged, a device must not be."""
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise StoreError(f"{path}: this is no file but a folder, a device or a pipe; nothing was touched")


def new_file(path: Path) -> sqlite3.Connection:
    """An empty store under a name that nobody else uses, or in memory."""
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    _prepare(db)
    # Keys are digests, so new ones fall anywhere. Bodies are appended, and only the small index is written all over:
    # WITHOUT ROWID, as stores of earlier versions are, a batch would rewrite a page for nearly every record.
    db.execute(f"CREATE TABLE records {COLUMNS}")
    _sign(db)
    return db


def _make(path: Path) -> None:
    """Under a temporary name first: a store of no bytes is then always a damaged one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        new_file(temporary).close()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA cell_size_check=ON")
    db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")


def _sign(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA application_id={secrets.randbelow(2**31 - 1) + 1}")
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _checked_version(db: sqlite3.Connection, path: Path) -> int:
    """Raises StoreError, before anything is written, for a file of a later version or of another program."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: written by schema version {version}, this program reads {SCHEMA_VERSION}: use the version of "
            "preceptor that wrote it; nothing was touched"
        )
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables - {"records"}:
        raise StoreError(f"{path}: a database of another program (tables: {', '.join(sorted(tables))})")
    if not tables:
        raise Damaged("its table is gone")
    return version


def _upgrade(db: sqlite3.Connection, version: int, own_key: OwnKey) -> None:
    """All of it or, if anything fails, nothing. Version 1 had no checksums, version 2 other keys for votes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if version == 1:
            db.create_function("row_checksum", 2, checksum, deterministic=True)
            db.execute("ALTER TABLE records ADD COLUMN crc INTEGER NOT NULL DEFAULT 0")
            db.execute("UPDATE records SET crc = row_checksum(key, CAST(body AS BLOB))")
        _rekey(db, own_key)
        _sign(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _rekey(db: sqlite3.Connection, own_key: OwnKey) -> None:
    """Put every record under its own key, if they are under others. Raises Damaged for what is no record any more."""
    rows = db.execute("SELECT key, CAST(body AS BLOB), crc FROM records")
    first = rows.fetchone()
    if first is None or own_key(first[0], first[1]) == first[0]:
        return
    db.execute(f"CREATE TABLE rekeyed {COLUMNS}")
    for chunk in batched(chain([first], rows), BATCH_ROWS):
        db.executemany("INSERT OR REPLACE INTO rekeyed VALUES (?, ?, ?)", sorted(_rekeyed(chunk, own_key)))
    rows.close()
    db.execute("DROP TABLE records")
    db.execute("ALTER TABLE rekeyed RENAME TO records")


def _rekeyed(rows: Iterable[tuple[object, object, object]], own_key: OwnKey) -> Iterator[Row]:
    for key, body, crc in rows:
        if not (isinstance(key, str) and isinstance(body, bytes) and checksum(key, body) == crc):
            raise Damaged(f"the record {key} is not what was written")
        own = own_key(key, body)
        if own is None:
            raise Damaged(f"the record {key} is none of this kind")
        yield row_of(own, body.decode("utf-8"))
