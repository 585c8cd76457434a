"""A damaged store is set aside under a name of its own, never deleted, and what can still be read of it goes on.

30-votes.sqlite  ->  30-votes.sqlite.corrupt-20261123T221530     as it was found
                     30-votes.sqlite                             a new store with its readable records
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from constitution.files import fsync_folder, holding
from constitution.store_file import BATCH_ROWS, OwnKey, Row, checksum, insert, new_file, row_of

_BY_KEY = ["", *(f"{first:02x}" for first in range(256)), "\U0010ffff"]
"""Keys are hexadecimal digests: the ends of 256 ranges of them, and of what comes before and after."""
_PARTS = 256
_LARGEST_ROWID = 2**63 - 1
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""The latter is Python's, of a name or text of the file that is no text any more."""


class Salvaged(NamedTuple):
    """Where the damaged file is now, and how many of its records the new one holds."""

    aside: Path
    records: int


def name_aside(path: Path) -> Path:
    """A name beside `path` that is free, with the time (UTC) in it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    names = (f"{path.name}.corrupt-{stamp}{f'-{n}' if n else ''}" for n in range(1000))
    return next(aside for name in names if not (aside := path.with_name(name)).exists())


def set_aside(path: Path) -> Path:
    """Rename a damaged file; returns where it is now."""
    aside = name_aside(path)
    os.rename(path, aside)
    fsync_folder(path.parent)
    return aside


def salvage(path: Path, same: Callable[[], bool], own_key: OwnKey) -> Salvaged | None:
    """Replace a damaged store by one of its readable records; None if another process did so first (not `same`).

    A crash at any point leaves either the damaged store or the new one under the old name. Raises sqlite3.Error or
    OSError where the new one cannot be written; the damaged one is then where it was.
    """
    copy, fresh = (path.with_name(f".{path.name}.{os.getpid()}.{what}.tmp") for what in ("copy", "new"))
    with holding(path.parent):
        if not same():
            return None
        try:
            _copy(path, copy)
            records = _rewrite(copy, fresh, own_key)
            aside = name_aside(path)
            _swap(path, aside, fresh)
        finally:
            for left in (copy, fresh):
                _remove(left)
        return Salvaged(aside, records)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _copy(path: Path, copy: Path) -> None:
    """SQLite writes to what it opens, so the salvage works on a copy: the damaged file stays as it was found."""
    shutil.copyfile(path, copy)
    if _beside(path, "-wal").exists():
        shutil.copyfile(_beside(path, "-wal"), _beside(copy, "-wal"))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)


def _swap(path: Path, aside: Path, fresh: Path) -> None:
    """The log moves first: a new database beside an old log would be read together with it."""
    if _beside(path, "-wal").exists():
        os.rename(_beside(path, "-wal"), _beside(aside, "-wal"))
    _beside(path, "-shm").unlink(missing_ok=True)
    try:
        os.link(path, aside)  # so that the old name is never without a file
    except OSError:
        os.rename(path, aside)
    os.replace(fresh, path)
    fsync_folder(path.parent)


def _rewrite(damaged: Path, fresh: Path, own_key: OwnKey) -> int:
    with closing(new_file(fresh)) as target:
        try:
            source = sqlite3.connect(damaged, isolation_level=None)
        except sqlite3.DatabaseError:
            return 0
        with closing(source):
            target.execute("BEGIN")
            batch: list[Row] = []
            for row in _readable(source, own_key):
                batch.append(row)
                if len(batch) == BATCH_ROWS:
                    insert(target, batch)
                    batch.clear()
            insert(target, batch)
            target.execute("COMMIT")
        return int(target.execute("SELECT count(*) FROM records").fetchone()[0])


def _readable(db: sqlite3.Connection, own_key: OwnKey) -> Iterator[Row]:
    """Range by range, forwards up to a bad page and then backwards down to it: a page costs what stood on it.

    Records lie in the order of their rowid; in stores of earlier versions, in that of their keys.
    """
    checked, rowids = _has_checksums(db), _rowids(db)
    column, ends = ("key", _BY_KEY) if rowids is None else ("rowid", rowids)
    for low, high in pairwise(ends):
        for order in ("ASC", "DESC"):
            try:
                for key, body, crc in db.execute(_query(checked, column, order), (low, high)):
                    if row := _intact(key, body, crc, own_key):
                        yield row
            except _UNREADABLE:
                continue
            break


def _has_checksums(db: sqlite3.Connection) -> bool:
    try:
        return any(name == "crc" for _, name, *_ in db.execute("PRAGMA table_info(records)"))
    except _UNREADABLE:
        return False


def _rowids(db: sqlite3.Connection) -> Sequence[int] | None:
    """The ends of ranges of rowids that hold about as many each, and of all beyond; None for a table without them."""
    try:
        db.execute("SELECT rowid FROM records WHERE rowid < 0").fetchall()
    except sqlite3.OperationalError:
        return None
    except _UNREADABLE:
        pass
    try:
        (last,) = db.execute("SELECT max(rowid) FROM records").fetchone()
    except _UNREADABLE:  # the last page itself: more rows than a file of gigabytes has
        last = 2**24
    step = max(1, int(last or 0) // _PARTS)
    return [0, *range(step, step * (_PARTS + 1), step), _LARGEST_ROWID]


def _query(checked: bool, column: str, order: str) -> str:
    # As bytes: text that is no UTF-8 any more would be an error of the whole query.
    columns = f"CAST(key AS BLOB), CAST(body AS BLOB), {'crc' if checked else 'NULL'}"
    return f"SELECT {columns} FROM records WHERE {column} >= ? AND {column} < ? ORDER BY {column} {order}"  # noqa: S608


def _intact(key: object, body: object, crc: object, own_key: OwnKey) -> Row | None:
    try:
        assert isinstance(key, bytes)
        assert isinstance(body, bytes)
        name, text = key.decode("utf-8"), body.decode("utf-8")
    except (AssertionError, UnicodeDecodeError):
        return None
    own = own_key(name, body) if crc in (None, checksum(name, body)) else None
    return None if own is None else row_of(own, text)
