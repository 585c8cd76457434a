"""Rows -> Parquet in shards, by split: preferences/train-00000.parquet, preferences/train-00001.parquet, ...

Rows are written as they come; no more than a thousand of a split are held. `datasets` reads the folder by a pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from constitution.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

ROWS_AT_ONCE = 1000
SHARD_BYTES = 256 * 1024 * 1024
"""Of rows in memory, before compression."""


class SplitRow(NamedTuple):
    """A row, and the split that it belongs to."""

    split: str
    row: Mapping[str, Any]


def shard_pattern(configuration: str, split: str) -> str:
    """What a card says of where a split's files are."""
    return f"{configuration}/{split}-*.parquet"


def write_shards(
    folder: Path, columns: Mapping[str, Any], rows: Iterable[SplitRow], shard_bytes: int = SHARD_BYTES
) -> dict[str, int]:
    """Write rows with explicit column types, each file atomically; returns how many each split has.

    Other Parquet files in the folder, left by an earlier export, are removed at the end. A folder without any row gets
    an empty split `train`, so that its columns can be read.
    """
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    schema, writing = pa.schema(list(columns.items())), dict[str, _Split]()
    with ExitStack() as stack:
        for split, row in rows:
            if split not in writing:
                writing[split] = stack.enter_context(_Split(folder, split, schema, shard_bytes))
            writing[split].add(row)
        if not writing:
            writing["train"] = stack.enter_context(_Split(folder, "train", schema, shard_bytes))
    written = {name for split in writing.values() for name in split.names}
    for path in folder.glob("*.parquet"):
        if path.name not in written:
            path.unlink()
    return {name: split.count for name, split in writing.items()}


class _Split:
    """One split's files, the last of them open."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema, shard_bytes: int) -> None:
        self.count, self.names = 0, list[str]()
        self._folder, self._split, self._schema, self._most = folder, split, schema, shard_bytes
        self._rows, self._bytes = list[Mapping[str, Any]](), 0
        self._open = ExitStack()
        self._writer: parquet.ParquetWriter | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) == ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        self._rows.clear()
        if self._writer is None:
            self._writer = self._next()
        self._writer.write_table(table)
        self._bytes += table.nbytes
        if self._bytes >= self._most:
            self._end()

    def _next(self) -> parquet.ParquetWriter:
        from pyarrow import parquet

        self.names.append(f"{self._split}-{len(self.names):05d}.parquet")
        stream = self._open.enter_context(replacing(self._folder / self.names[-1]))
        return self._open.enter_context(parquet.ParquetWriter(stream, self._schema))

    def _end(self) -> None:
        self._open.close()
        self._writer, self._bytes = None, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (self._rows or not self.names):
            self._flush()
        self._open.__exit__(kind, value, trace)
