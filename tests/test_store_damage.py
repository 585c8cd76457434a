"""A damaged store is noticed, kept under another name, and costs no more than what stood on the damaged spot."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constitution.errors import StoreError
from constitution.identity import digest
from constitution.record import Record
from constitution.store import Store
from constitution.store_file import checksum
from tests.damage import DAMAGES, flip_page

PAGE = 4096


class Note(Record):
    """A record to store."""

    text: str


def notes(count: int) -> dict[str, Note]:
    """Under digests, as the real stores; every twentieth is longer than a page."""
    return {digest("note", n=n): Note(text=f"note {n} " * (900 if n % 20 == 0 else 40)) for n in range(count)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "notes.sqlite"
    with Store(path, Note) as store:
        store.put(notes(1000))
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "notes.sqlite"))


def read_all(path: Path) -> dict[str, Note]:
    with Store(path, Note) as store:
        return store.get(notes(1000))


def aside(path: Path) -> list[Path]:
    """Databases that were set aside; the log of one that was in use lies beside it."""
    return sorted(p for p in path.parent.glob(f"{path.name}.corrupt-*") if not p.name.endswith("-wal"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_said_once_kept_aside_and_never_empties_silently(damage: Callable[[Path], None], path: Path) -> None:
    damage(path)
    found = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        read_all(path)
    (kept,) = aside(path)
    assert kept.read_bytes() == found
    left = read_all(path)
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert f"kept as {kept.name}; {len(left)} of its records could be read" in str(caught.value)
    assert "\n" not in str(caught.value)
    everything = notes(1000)
    assert left.items() <= everything.items()
    with Store(path, Note) as store:
        store.put(everything)
    assert read_all(path) == everything
    assert aside(path) == [kept]
    assert [p for p in path.parent.iterdir() if p.name.endswith((".tmp", ".tmp-wal", ".tmp-shm"))] == []


def test_a_damaged_page_costs_its_own_records_alone(path: Path) -> None:
    """1000 records on more than 150 pages: one flipped page loses a few of them, wherever it is."""
    pages = path.stat().st_size // PAGE
    assert pages > 150
    draw, lost = random.Random(1), []
    for page in draw.sample(range(1, pages), 8):
        copy = Path(shutil.copy(path, path.with_name(f"page-{page}.sqlite")))
        flip_page(copy, page)
        with pytest.raises(StoreError, match="damaged"):
            read_all(copy)
        lost.append(1000 - len(read_all(copy)))
    assert max(lost) < 100, lost
    assert sorted(lost)[4] < 30, lost


def test_one_flipped_bit_of_a_text_is_noticed(path: Path) -> None:
    """SQLite sees nothing wrong in it, and as JSON it is as good as before."""
    key = next(iter(notes(1)))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET body = replace(body, 'note 0 ', 'note 8 ') WHERE key = ?", (key,))
    db.close()
    with pytest.raises(StoreError, match=f"damaged .the record {key} is not what was written.*; 999 of its records"):
        read_all(path)
    assert read_all(path) == {k: note for k, note in notes(1000).items() if k != key}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_bytes_change_no_wrong_record_is_read(data: st.DataObject, whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path / "notes.sqlite"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=200))
        content[start : start + len(patch)] = patch
    path.write_bytes(bytes(content))
    everything = notes(1000)
    with contextlib.suppress(StoreError):  # set aside, or of a "later" version
        assert read_all(path).items() <= everything.items()


def test_the_first_schema_is_brought_up_to_date_with_all_its_records(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE records (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
        rows = [(key, note.model_dump_json()) for key, note in notes(1000).items()]
        db.executemany("INSERT INTO records VALUES (?, ?)", rows)
        db.execute("PRAGMA user_version=1")
    db.close()
    assert read_all(path) == notes(1000)
    with Store(path, Note) as store:
        identity = store.identity
        store.put(notes(3))
    assert read_all(path) == notes(1000)
    with Store(path, Note) as store:
        assert store.identity == identity
    assert aside(path) == []


def test_a_damaged_store_of_the_first_schema_keeps_its_readable_records(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    test_the_first_schema_is_brought_up_to_date_with_all_its_records(tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE records DROP COLUMN crc")
        db.execute("PRAGMA user_version=1")
    db.close()
    flip_page(path, 40)
    with pytest.raises(StoreError, match="damaged"):
        read_all(path)
    assert 900 < len(read_all(path)) < 1000


class Keyed(Record):
    """A record that knows its key."""

    text: str

    @property
    def key(self) -> str:
        """As a later version has it."""
        return f"{self.text[-1]}-{self.text}"


@pytest.mark.parametrize("rowids", ["", " WITHOUT ROWID"])
def test_records_that_know_their_key_are_brought_under_it(tmp_path: Path, rowids: str) -> None:
    path = tmp_path / "old.sqlite"
    records = {key: Keyed(text=note.text) for key, note in notes(2500).items()}
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE records (key TEXT PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL){rowids}")
        bodies = [(key, record.model_dump_json()) for key, record in records.items()]
        rows = [(key, body, checksum(key, body.encode())) for key, body in bodies]
        db.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
        db.execute("PRAGMA user_version=2")
    db.close()
    wanted = {record.key: record for record in records.values()}
    for _ in range(2):
        with Store(path, Keyed) as store:
            assert (store.everything(), len(store)) == (dict(sorted(wanted.items())), 2500)
    assert aside(path) == []


def test_a_damaged_record_of_an_earlier_version_is_the_only_one_lost(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    test_records_that_know_their_key_are_brought_under_it(tmp_path, "")
    records = [Keyed(text=note.text) for note in notes(2500).values()]
    old = [(f"{n:032x}", record.model_dump_json()) for n, record in enumerate(records)]
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM records")
        rows = [(key, body, checksum(key, body.encode()) + (n == 1200)) for n, (key, body) in enumerate(old)]
        db.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
        db.execute("PRAGMA user_version=2")
    db.close()
    with pytest.raises(StoreError, match=r"damaged .*2499 of its records"):
        Store(path, Keyed)
    with Store(path, Keyed) as store:
        assert store.everything() == {r.key: r for r in sorted(records, key=lambda r: r.key) if r is not records[1200]}


def test_another_file_that_was_named_by_mistake_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary, this is not a database. " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"diary.txt: not a store of Preceptor .*; nothing was touched"):
        Store(path, Note)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_who_still_holds_a_file_that_was_set_aside_is_told(path: Path) -> None:
    """A second process goes on writing into the file that the first has moved away: it must not count that as done."""
    with Store(path, Note) as late:
        flip_page(path, 40)
        with pytest.raises(StoreError, match="kept as"):
            read_all(path)
        with pytest.raises(StoreError, match=r"another process has replaced this file|damaged"):
            late.put({"zz": Note(text="late")})
    assert len(aside(path)) == 1
    with Store(path, Note) as store:
        assert len(store) > 900


def test_every_store_has_an_identity_of_its_own(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        with Store(tmp_path / name, Note) as store:
            found.append(store.identity)
    assert len(set(found)) == 2


def test_a_tables_name_that_is_no_text_any_more(path: Path) -> None:
    """Found by benchmarks/fuzz.py."""
    data = path.read_bytes()
    assert b"tablerecordsrecords" in data
    path.write_bytes(data.replace(b"tablerecordsrecords", b"tablerecord\xb6records"))
    with pytest.raises(StoreError, match="damaged"):
        read_all(path)
    assert read_all(path).items() <= notes(1000).items()


def test_a_store_of_an_earlier_version_is_used_as_it_is(tmp_path: Path) -> None:
    """Its table is without rowids: nothing else is different."""
    path = clustered(tmp_path / "old.sqlite")
    with Store(path, Note) as store:
        assert store.get(["0" * 32]) == {}
        store.put(notes(3))
    assert read_all(path) == notes(1000)
    flip_page(path, 12)
    with pytest.raises(StoreError, match="damaged"):
        read_all(path)
    assert 900 < len(read_all(path)) < 1000


def clustered(path: Path) -> Path:
    """A store as it was made before bodies were kept apart from the index."""
    with Store(path, Note):
        pass
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE records")
        db.execute(
            "CREATE TABLE records (key TEXT PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
        )
    db.close()
    with Store(path, Note) as store:
        store.put(notes(1000))
    return path


def test_a_key_that_is_no_text_any_more(tmp_path: Path) -> None:
    """Found by benchmarks/fuzz.py: one bit of a row's header says that its key is bytes, and SQLite finds it all the
    same."""
    path = clustered(tmp_path / "notes.sqlite")
    data = bytearray(path.read_bytes())
    flipped = 0
    for key in notes(1000):
        place = data.find(key.encode())
        header = data.rfind(b"\x4d", place - 8, place)  # a text of 32 bytes; 0x4c: 32 bytes
        if header > 0:
            data[header], flipped = 0x4C, flipped + 1
    assert flipped > 900
    path.write_bytes(bytes(data))
    with contextlib.suppress(StoreError):
        assert read_all(path) == {}
    assert read_all(path).items() <= notes(1000).items()
