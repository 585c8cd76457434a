"""Files: never half written, JSON lines that come back as they went, errors with a place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constitution.errors import ConfigError, DataError, StoreError
from constitution.files import read_records, read_text, write_atomically, write_json, write_records
from constitution.read_json import json_lines, read_json, read_json_lines, read_object, read_record
from constitution.record import Record

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def short(value: object) -> str:
    """A parameter as the name of its test."""
    return repr(value)[:12]


class Note(Record):
    """A record to write and read."""

    text: str
    count: int = 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(notes=st.lists(st.builds(Note, text=TEXT, count=st.integers()), max_size=4))
def test_records_come_back(notes: list[Note], tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    write_records(path, notes)
    assert read_records(path, Note) == notes


def test_line_separators_inside_text_do_not_end_a_record(tmp_path: Path) -> None:
    notes = [Note(text="a\u2028b\u2029c\x85d\x0be\x1cf\rg\nh")]
    write_records(tmp_path / "n.jsonl", notes)
    assert read_records(tmp_path / "n.jsonl", Note) == notes


def test_faults_have_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text('{"text": "é", "cuont": 1}\n{"text": "b"}\n{"text": "c", "count": 1.5}\n{"text": \n')
    with pytest.raises(ConfigError) as caught:
        read_records(path, Note)
    assert [(p.line, p.column, p.message) for p in caught.value.problems] == [
        (1, 15, "unknown key `cuont`; did you mean `count`?"),
        (3, 24, "`count`: expected a whole number, found the number `1.5`"),
        (4, 10, "expected a value here"),
    ]


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_records(tmp_path / "none.jsonl", Note)
    with pytest.raises(DataError, match="this is a folder"):
        read_text(tmp_path)
    (tmp_path / "bad").write_bytes(b"ok\n\xc3\xa9\xff")
    with pytest.raises(ConfigError, match=r"bad:2:2: not UTF-8 text \(byte 0xff\): save the file as UTF-8"):
        read_text(tmp_path / "bad")


def test_json_is_readable_and_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", {"é": [1, 2.5, None]})
    text = (tmp_path / "v.json").read_text(encoding="utf-8")
    assert text == '{\n  "é": [\n    1,\n    2.5,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "v.json", float("nan"))
    assert (tmp_path / "v.json").read_text(encoding="utf-8") == text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"/v: cannot be written \(No space left on device\); nothing is left half"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


DIGITS, DEEP = "9" * 5000, "[" * 100_000 + "]" * 100_000
FAULTS = {"{": ":1:2: not JSON", DIGITS: ":1:1: .*too many digits", DEEP: ":1:1: .*nested too deeply"}
NO_OBJECTS = dict.fromkeys(("[]", "null", "7", '"x"'), ":1:1: ")


@pytest.mark.parametrize(("text", "said"), [*FAULTS.items(), *NO_OBJECTS.items(), ("{}", "`?text`?")], ids=short)
def test_damaged_json_is_one_fault_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    """Whatever reads it. The standard library has errors of its own for long numbers and deep nesting."""
    path = tmp_path / "v.json"
    path.write_text(text)
    if text in FAULTS:
        with pytest.raises(ConfigError, match=said):
            read_json(path)
    with pytest.raises(ConfigError, match=said):
        read_record(path, Note)
    with pytest.raises(ConfigError, match=said):
        read_object(path, needs=("text",))


@pytest.mark.parametrize(("text", "said"), [*FAULTS.items(), *NO_OBJECTS.items()], ids=short)
def test_damaged_lines_are_faults_with_their_places(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n\n' + text + '\n{"step": 2}\n' + text + "\n")
    for read in (read_json_lines, lambda path: list(json_lines(path))):
        with pytest.raises(ConfigError, match=said.replace(":1:", ":3:", 1)) as caught:
            read(path)
        assert [problem.line for problem in caught.value.problems] == [3, 5]


WRITER = """
import sys
from pathlib import Path
from constitution.files import write_json
value = 0
while True:
    value += 1
    write_json(Path(sys.argv[1]), [value] * 50_000)
"""


def test_kill_9_while_writing(tmp_path: Path) -> None:
    """A reader beside a writer that is killed at any moment sees a whole file every time."""
    path = tmp_path / "v.json"
    for pause in (0.05, 0.11, 0.17):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        while not path.exists():
            assert child.poll() is None
            time.sleep(0.01)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            assert len(set(json.loads(path.read_text()))) == 1
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert len(json.loads(path.read_text())) == 50_000
        path.unlink()
