"""Prompt files, imports and stores of the wrong kind: JSON that is none, bombs, damaged databases."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.hostile.case import Case, must_refuse, shown
from constitution.record import Record
from constitution.store import Store
from generate.prompts import load_prompts
from judge.imports.found import ImportFormat, Request
from judge.imports.read import import_preferences

_P = '{"id": "a", "prompt": "x"}'
LINES: Mapping[str, str | bytes] = {
    "empty": "",
    "blank lines": "\n \n",
    "no JSON": "hello",
    "half a line": _P + '\n{"id": "b", "pro',
    "half a string": '{"id": "a", "prompt": "x',
    "two objects on a line": _P + _P,
    "a comma after it": _P + ",",
    "an array": f"[{_P}]",
    "a number": "7",
    "null": "null",
    "NaN": '{"id": NaN, "prompt": "x"}',
    "Infinity": '{"id": "a", "prompt": -Infinity}',
    "single quotes": "{'id': 'a', 'prompt': 'x'}",
    "a comment": _P + " // no",
    "duplicate keys": '{"id": "a", "id": "b", "prompt": "x"}',
    "duplicate keys, escaped": '{"id": "a", "\\u0069d": "b", "prompt": "x"}',
    "unknown key": '{"id": "a", "prompt": "x", "answer": "y"}',
    "a key of Python": '{"id": "a", "prompt": "x", "__class__": "y"}',
    "a number for text": '{"id": 7, "prompt": "x"}',
    "a list for text": '{"id": "a", "prompt": ["x"]}',
    "an empty prompt": '{"id": "a", "prompt": ""}',
    "an id of 300": json.dumps({"id": "a" * 300, "prompt": "x"}),
    "both forms": '{"id": "a", "prompt": "x", "messages": [{"role": "user", "content": "y"}]}',
    "no form": '{"id": "a"}',
    "an unknown role": '{"id": "a", "messages": [{"role": "root", "content": "y"}]}',
    "an assistant last": '{"id": "a", "messages": [{"role": "assistant", "content": "y"}]}',
    "the same id twice": _P + "\n" + _P.replace('"x"', '"y"'),
    "the same prompt twice": _P + "\n" + _P.replace('"a"', '"b"'),
    "nested 100,000 deep": '{"id": ' + "[" * 100_000,
    "closed 100,000 deep": '{"id": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "a number of 100,000 digits": '{"id": ' + "9" * 100_000 + "}",
    "a raw line break": '{"id": "a", "prompt": "x\ny"}',
    "a raw NUL": '{"id": "a", "prompt": "x\x00"}',
    "a raw escape": '{"id": "a", "prompt": "\x1b[2J"}',
    "half a surrogate": '{"id": "a", "prompt": "\\ud800"}',
    "Latin-1": '{"id": "a", "prompt": "é"}'.encode("latin-1"),
    "UTF-16": _P.encode("utf-16"),
    "a BOM in the middle": _P + "\n\ufeff" + _P.replace('"a"', '"b"').replace('"x"', '"y"'),
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "a zip": b"PK\x03\x04" + bytes(100),
}

_TRL = b'{"prompt": "x", "chosen": "a", "rejected": "b"}\n'
_KEYS = b",".join(b'"k%d": 1' % number for number in range(200_000))
_COLUMNS = b",".join(b"c%d" % number for number in range(100_000))


def _with(more: bytes) -> bytes:
    """A good row with something beside it."""
    return _TRL.strip()[:-1] + b", " + more + b"}\n"


IMPORTS: Mapping[str, tuple[str, bytes]] = {
    "a gzip bomb": ("bomb.jsonl.gz", gzip.compress(bytes(300_000_000), 9)),
    "a gzip bomb of lines": ("lines.jsonl.gz", gzip.compress(b" \n" * 150_000_000, 9)),
    "half a gzip": ("half.jsonl.gz", gzip.compress(_TRL * 1000)[:-20]),
    "a damaged gzip": ("bad.jsonl.gz", gzip.compress(_TRL * 1000)[:20] + b"\xff" * 40),
    "no gzip": ("no.jsonl.gz", _TRL),
    "nested JSON": ("deep.jsonl", b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a nested array": ("deep.json", b"[" * 100_000),
    "half an array": ("half.json", b"[" + _TRL.strip() + b","),
    "an object for an array": ("object.json", b"{}"),
    "digits": ("digits.jsonl", b'{"prompt": ' + b"9" * 100_000 + b"}"),
    "a row of another shape": ("other.jsonl", b'{"question": "x"}\n'),
    "a list for a row": ("list.jsonl", b"[1, 2]\n"),
    "an open quote in CSV": ("quote.csv", b'prompt,chosen,rejected\n"x,a,b\n'),
    "a CSV field of 300,000": ("long.csv", b"prompt,chosen,rejected\n" + b"x" * 300_000 + b",a,b\n"),
    "CSV without its columns": ("columns.csv", b"a,b\n1,2\n"),
    "other bytes": ("bytes.jsonl", bytes(range(128, 256))),
    "a number of 100,000 digits beside it": ("beside.jsonl", _with(b'"n": ' + b"9" * 100_000)),
    "lists nested beside it": ("lists.json", b"[" + _with(b'"n": ' + b"[" * 100_000 + b"]" * 100_000).strip() + b"]"),
    "half a surrogate": ("half.jsonl", _with(b'"n": "\\ud800"')),
    "half a surrogate in an array": ("half_array.json", b"[" + _with(b'"n": "\\udfff"').strip() + b"]"),
    "half a surrogate as a key": ("key.jsonl", _with(b'"\\ud800": 1')),
    "half a surrogate as bytes": ("raw.jsonl", _with(b'"n": "\xed\xa0\x80"')),
    "NaN for a text": ("nan.jsonl", b'{"prompt": "x", "chosen": NaN, "rejected": "b"}'),
    "Infinity for a text": ("infinity.json", b'[{"prompt": "x", "chosen": -Infinity, "rejected": "b"}]'),
    "NUL in the key": ("nul.jsonl", b'{"prompt": "x", "chosen\\u0000": "a", "rejected": "b"}'),
    "a raw NUL": ("raw_nul.jsonl", b'{"prompt": "x", "chosen": "\x00", "rejected": "b"}'),
    "a key twice": ("twice.jsonl", _with(b'"chosen": "c"')),
    "a key twice, escaped": ("escaped.json", b"[" + _with(b'"\\u0063hosen": "c"').strip() + b"]"),
    "a key of a million characters twice": ("long_key.jsonl", b'{"%b": 1, "%b": 2}' % ((b"k" * 1_000_000,) * 2)),
    "the last of 200,000 keys twice": ("keys.jsonl", b'{%b, "k199999": 1}' % _KEYS),
    "the last of 200,000 keys twice, in an array": ("keys.json", b'[{%b, "k199999": 1}]' % _KEYS),
    "more after the array": ("more.json", b"[" + _TRL.strip() + b"] [" + _TRL.strip() + b"]"),
    "a comma after the last row": ("comma.json", b"[" + _TRL.strip() + b",]"),
    "ten million spaces": ("spaces.json", b"[" + b" " * 10_000_000),
    "a line of addresses": ("addresses.jsonl", b'{"prompt": "' + b"http://" * 100_000),
    "an open quote of 10 MB in CSV": ("open.csv", b'prompt,chosen,rejected\n"' + b"x" * 10_000_000),
    "an open quote of 5 million lines": ("lines.csv", b'prompt,chosen,rejected\n"' + b"x\n" * 5_000_000),
    "an open quote in CSV's first row": ("first.csv", b'"' + b"x\n" * 5_000_000),
    "the last of 100,000 columns twice": ("columns_twice.csv", _COLUMNS + b",c99999\n"),
    "5 million cells": ("cells.csv", b"prompt,chosen,rejected\n" + b"," * 5_000_000),
    "no Parquet": ("no.parquet", b"PAR1" + bytes(100) + b"PAR1"),
    "an empty Parquet": ("empty.parquet", b""),
    "a pickle": ("x.pkl", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."),
}
SOURCES = ("", "none.jsonl", "../none.json", "a\x00.jsonl", "/dev/null/x.csv", "x" * 300 + ".jsonl")


class Note(Record):
    """A record to store."""

    text: str


def _other_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE diary (day TEXT)")
    db.close()


def _later(path: Path) -> None:
    Store(path, Note).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()


def _row(sql: str, *values: object) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        Store(path, Note).close()
        with sqlite3.connect(path) as db:
            db.execute(sql, values)
        db.close()

    return make


_INSERT = "INSERT INTO records VALUES ('k', ?, ?)"
STORES: Mapping[str, Callable[[Path], object]] = {
    "no bytes": lambda path: path.touch(),
    "one byte": lambda path: path.write_bytes(b"S"),
    "text": lambda path: path.write_text("Dear diary. " * 500),
    "a header alone": lambda path: path.write_bytes(b"SQLite format 3\x00"),
    "a header and zeros": lambda path: path.write_bytes(b"SQLite format 3\x00" + bytes(8176)),
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."),
    "a folder": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/full"),
    "a pipe": lambda path: os.mkfifo(path),
    "a database of another program": _other_program,
    "a later version": _later,
    "no checksum": _row(_INSERT, '{"text": "x"}', 0),
    "a checksum of text": _row(_INSERT, '{"text": "x"}', "abc"),
    "a body of bytes": _row(_INSERT, b"\xff\xfe", 1),
    "no JSON": _row(_INSERT, "hello", 0),
    "a view in the table's place": _row("DROP TABLE records"),
}


def _open_store(make: Callable[[Path], object], folder: Path) -> object:
    path = folder / "store.sqlite"
    make(path)
    with Store(path, Note) as store:
        return store.get(["k"])


def _load_lines(content: str | bytes, folder: Path) -> object:
    path = folder / "prompts.jsonl"
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return load_prompts(path)


def _import(name: str, content: bytes | None, folder: Path, form: ImportFormat = "trl") -> object:
    source = folder / name if content is not None else Path(name)
    if content is not None:
        source.write_bytes(content)
    request = Request(format=form, sources=(str(source) if content is not None else name,))
    return import_preferences(request, folder / "imported")


def cases() -> list[Case]:
    """All of them must be refused."""
    found = [must_refuse("JSON lines", name, lambda f, t=text: _load_lines(t, f)) for name, text in LINES.items()]
    found += [must_refuse("import", name, lambda f, g=given: _import(*g, f)) for name, given in IMPORTS.items()]
    found += [must_refuse("import source", shown(n), lambda f, n=n: _import(n, None, f)) for n in SOURCES]
    return found + [must_refuse("store", name, lambda f, m=make: _open_store(m, f)) for name, make in STORES.items()]
