"""The store keeps what was committed, whatever happens to the process, and never destroys what it cannot read."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from constitution.errors import StoreError
from constitution.record import Record
from constitution.store import Store
from constitution.store_file import SCHEMA_VERSION


class Note(Record):
    """A record to store."""

    text: str


class Other(Record):
    """A record of another shape."""

    number: int


def batch(first: int, size: int = 10) -> dict[str, Note]:
    return {f"k{n}": Note(text=f"note {n}") for n in range(first, first + size)}


# Commits one batch at a time and says so; with "half" it says so in the middle of the second batch and hangs there.
CHILD = """
import sys, time
from collections.abc import Iterator
from pathlib import Path
from constitution.record import Record
from constitution.store import Store

class Note(Record):
    text: str

class Stalling(dict):
    def items(self):
        for n, item in enumerate(super().items()):
            if n == 5:
                print("half", flush=True)
                time.sleep(60)
            yield item

store = Store(Path(sys.argv[1]), Note)
first, count, mode = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for number in range(count):
    start = first + 10 * number
    notes = {f"k{n}": Note(text=f"note {n}") for n in range(start, start + 10)}
    store.put(Stalling(notes) if mode == "half" and number == 1 else notes)
    print("committed", flush=True)
if mode == "stay":
    time.sleep(60)
"""


def child(path: Path, first: int, count: int, mode: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", CHILD, str(path), str(first), str(count), mode]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.sqlite"


def test_round_trip(path: Path) -> None:
    with Store(path, Note) as store:
        assert len(store) == 0
        store.put({"a": Note(text="é\u2028\x00"), "b": Note(text="")})
        store.put({"b": Note(text="new")})
        store.put({})
    with Store(path, Note) as store:
        assert len(store) == 2
        assert store.get(["b", "none", "a"]) == {"b": Note(text="new"), "a": Note(text="é\u2028\x00")}


def test_kill_9_loses_nothing_committed(path: Path) -> None:
    process = child(path, 0, 3, "stay")
    assert lines(process, 3) == ["committed"] * 3
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with Store(path, Note) as store:
        assert store.get([f"k{n}" for n in range(40)]) == batch(0, 30)


def test_kill_9_in_the_middle_of_a_batch_rolls_it_back(path: Path) -> None:
    process = child(path, 0, 2, "half")
    assert lines(process, 2) == ["committed", "half"]
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with Store(path, Note) as store:
        assert store.get([f"k{n}" for n in range(20)]) == batch(0)
        store.put(batch(10))
        assert len(store) == 20


def test_a_batch_that_fails_is_rolled_back(path: Path) -> None:
    class Broken(dict[str, Note]):
        def items(self) -> Iterator[tuple[str, Note]]:  # type: ignore[override]
            yield from batch(0, 3).items()
            raise KeyboardInterrupt

    with Store(path, Note) as store:
        with pytest.raises(KeyboardInterrupt):
            store.put(Broken())
        assert len(store) == 0
        store.put(batch(0))
        assert len(store) == 10


def test_two_processes_write_at_once(path: Path) -> None:
    writers = [child(path, first, 20, "once") for first in (0, 1000)]
    assert [process.wait(timeout=60) for process in writers] == [0, 0]
    with Store(path, Note) as store:
        assert store.get([f"k{n}" for n in range(1200)]) == batch(0, 200) | batch(1000, 200)


def test_a_reader_beside_a_writer_sees_whole_batches(path: Path) -> None:
    with Store(path, Note) as store:
        writer = child(path, 0, 30, "once")
        sizes = []
        while writer.poll() is None:
            sizes.append(len(store))
            time.sleep(0.001)
        assert writer.returncode == 0
        assert {size % 10 for size in sizes} == {0}
        assert len(store) == 300


def test_a_record_of_another_shape(path: Path) -> None:
    with Store(path, Other) as store:
        store.put({"k": Other(number=1)})
    with Store(path, Note) as store, pytest.raises(StoreError, match=r"not a usable store: .* nothing was deleted"):
        store.get(["k"])


def test_a_full_disk_is_no_damage(path: Path) -> None:
    with Store(path, Note) as store:
        store.put(batch(0))
        store._open.execute("PRAGMA max_page_count=8")
        with pytest.raises(StoreError, match=r"cannot be used now \(database or disk is full\); nothing was deleted"):
            store.put(batch(10, 5000))
        assert store.get(batch(0, 20)) == batch(0)


def test_another_version_is_refused(path: Path) -> None:
    Store(path, Note).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match=r"written by schema version 4, this program reads 3: .*nothing was touched"):
        Store(path, Note)


def test_a_database_of_another_program_is_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE diary (day TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"a database of another program \(tables: diary\)"):
        Store(path, Note)
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be used now \(No such file or directory\)"):
        Store(tmp_path / "none" / "x.sqlite", Note)
