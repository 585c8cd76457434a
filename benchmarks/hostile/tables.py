"""Parquet files whose columns are odd, whose few bytes stand for very much, or whose footer lies."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from benchmarks.hostile.case import Case, must_refuse
from generate.prompts import load_prompts
from judge.imports.found import Request
from judge.imports.read import import_preferences


def _text(data: bytes) -> pa.Array:
    """A column of one text that nobody checked."""
    return pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, len(data))), pa.py_buffer(data))


def _nested(depth: int) -> pa.Array:
    column = pa.array(["x"])
    for _ in range(depth):
        column = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), column)
    return column


COLUMNS: Mapping[str, Callable[[], pa.Array]] = {
    "bytes": lambda: pa.array([b"\xff\xfe"]),
    "bytes as text": lambda: _text(b"\xff\xfe"),
    "half a surrogate as text": lambda: _text(b"\xed\xa0\x80"),
    "numbers": lambda: pa.array([2**63 - 1]),
    "NaN": lambda: pa.array([float("nan")]),
    "nothing": lambda: pa.nulls(1),
    "truth": lambda: pa.array([True]),
    "a moment after the calendar": lambda: pa.array([2**62], pa.timestamp("us")),
    "a moment on Mars": lambda: pa.array([0], pa.timestamp("us", "Mars/Base")),
    "a day after the calendar": lambda: pa.array([2**31 - 1], pa.date32()),
    "a duration": lambda: pa.array([2**62], pa.duration("us")),
    "a number of 71 digits": lambda: pa.array([Decimal(10) ** 70], pa.decimal256(76)),
    "a map with a key twice": lambda: pa.array([[("a", "b"), ("a", "c")]], pa.map_(pa.string(), pa.string())),
    "a record": lambda: pa.array([{"role": "assistant", "content": "a"}]),
    "a list of numbers": lambda: pa.array([[1, 2]]),
    "lists nested 40 deep": lambda: _nested(40),
    "lists nested 200 deep": lambda: _nested(200),
}


def _write(folder: Path, columns: Mapping[str, pa.Array]) -> Path:
    path = folder / "t.parquet"
    parquet.write_table(pa.table(dict(columns)), path, compression="zstd")
    return path


def _odd(make: Callable[[], pa.Array], folder: Path) -> Path:
    column = make()
    return _write(folder, {"prompt": column, "chosen": column, "rejected": column, "id": pa.array(["a"])})


def _repeated(text: str, rows: int, folder: Path) -> Path:
    column = pa.array([text]).dictionary_encode().take(pa.array([0] * rows, pa.int32()))
    return _write(folder, {"prompt": column, "chosen": column, "rejected": column})


def _twice(folder: Path) -> Path:
    path, names = folder / "t.parquet", ["id", "prompt", "prompt", "chosen", "chosen", "rejected"]
    parquet.write_table(pa.table([pa.array([name + str(i)]) for i, name in enumerate(names)], names=names), path)
    return path


def _empties(folder: Path) -> Path:
    offsets = pa.array([0, 30_000_000], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, pa.nulls(30_000_000, pa.string()))
    return _write(folder, {"prompt": pa.array(["x"]), "chosen": lists, "rejected": lists})


def _edited(edit: Callable[[bytes], bytes], folder: Path) -> Path:
    path = _odd(lambda: pa.array(["x"]), folder)
    path.write_bytes(edit(path.read_bytes()))
    return path


FILES: Mapping[str, Callable[[Path], Path]] = {
    "a text of 20 MB in each of 1,000 rows": lambda folder: _repeated("x" * 20_000_000, 1000, folder),
    "3 million rows in 30 kB": lambda folder: _repeated("x", 3_000_000, folder),
    "30 million values in one row": _empties,
    "a column twice": _twice,
    "no column": lambda folder: _write(folder, {}),
    "no row": lambda folder: _write(folder, {"id": pa.array([], pa.string()), "prompt": pa.array([], pa.string())}),
    "a column named with an escape": lambda folder: _write(folder, {"\x1b[2J": pa.array(["x"])}),
    "a column named with NUL": lambda folder: _write(folder, {"chosen\x00": pa.array(["x"])}),
    "a column of a long name": lambda folder: _write(folder, {"x" * 100_000: pa.array(["x"])}),
    "5,000 columns": lambda folder: _write(folder, {f"c{i}": pa.array(["x"]) for i in range(5000)}),
    "a footer of 2 GB": lambda folder: _edited(lambda b: b[:-8] + struct.pack("<I", 2**31 - 1) + b[-4:], folder),
    "a footer of nothing": lambda folder: _edited(lambda b: b[:-8] + bytes(4) + b[-4:], folder),
    "a footer of other bytes": lambda folder: _edited(lambda b: b[:-200] + b"\xff" * 192 + b[-8:], folder),
    "pages of zeros": lambda folder: _edited(lambda b: b[:4] + bytes(60) + b[64:], folder),
    "no beginning": lambda folder: _edited(lambda b: b[10:], folder),
    "half of it": lambda folder: _edited(lambda b: b[: len(b) // 2], folder),
    "encrypted": lambda folder: _edited(lambda b: b[:-4] + b"PARE", folder),
}


def _prompts(path: Path, _: Path) -> object:
    return load_prompts(path)


def _import(path: Path, folder: Path) -> object:
    return import_preferences(Request(format="trl", sources=(str(path),)), folder / "imported")


def cases() -> list[Case]:
    """All of them must be refused."""
    makes = {f"a column of {name}": lambda f, m=make: _odd(m, f) for name, make in COLUMNS.items()} | dict(FILES)
    return [
        must_refuse(f"Parquet of {what}", name, lambda f, m=make, r=read: r(m(f), f))
        for what, read in {"prompts": _prompts, "preferences": _import}.items()
        for name, make in makes.items()
    ]
