"""A store's file that is left as it is: what is no file at all, and what is opened to read only."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.errors import StoreError
from constitution.identity import digest
from constitution.record import Record
from constitution.store import Store
from tests.damage import DAMAGES


class Note(Record):
    """A record to store."""

    text: str


NOTES = {digest("note", n=n): Note(text=f"note {n} " * 40) for n in range(1500)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "notes.sqlite"
    with Store(path, Note) as store:
        store.put(NOTES)
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "notes.sqlite"))


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):
        one.bind(path.name)


@pytest.mark.parametrize("make", [os.mkfifo, a_socket, Path.mkdir])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_refused_and_left_alone(make: Callable[[Path], None], linked: bool, tmp_path: Path) -> None:
    """A device, as `votes: /dev/null` names one, was renamed as a damaged store; a pipe was waited for."""
    path = tmp_path / "votes"
    make(path)
    found = path.stat()
    if linked:
        path = tmp_path / "notes.sqlite"
        path.symlink_to("votes")
    with pytest.raises(StoreError, match=r"this is no file but .*; nothing was touched"):
        Store(path, Note)
    assert path.stat() == found
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"votes", path.name})


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_who_only_reads_mends_nothing(damage: Callable[[Path], None], path: Path) -> None:
    damage(path)
    found = path.read_bytes()
    with (
        pytest.raises(StoreError, match=r"damaged \(.*; nothing was touched"),
        Store(path, Note, read_only=True) as store,
    ):
        store.get(NOTES)
    assert path.read_bytes() == found
    assert list(path.parent.iterdir()) == [path]


def test_who_only_reads_upgrades_nothing(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=2")
    db.close()
    found = path.read_bytes()
    with pytest.raises(StoreError, match="written by schema version 2; nothing was touched"):
        Store(path, Note, read_only=True)
    assert path.read_bytes() == found
    with Store(path, Note) as store:
        assert store.everything() == NOTES
