"""Rows of Parquet files, some at a time.

A few bytes can stand for very many rows, or for one text in each of them. What a file says of itself is looked at
first, and so few rows are read at once that they fit, however often the same text is in them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from constitution.errors import DataError, PreceptorError, harmless, shortened
from generate.unpacking import MOST_UNPACKED, most_unpacked

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData, ParquetFile

ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 512 * 1024 * 1024
"""What the rows read at once may come to, if each held all that their group has."""
FEW_ROWS = 100_000
"""So many rows may be in any file, however small."""


class Row(NamedTuple):
    """A row of a Parquet file, counted from 1."""

    number: int
    value: dict[str, Any]


def table_rows(stream: IO[bytes], name: str) -> Iterator[Row]:
    """The rows of a Parquet file. Raises DataError if it is none that can be read, or has a column twice."""
    from pyarrow import ArrowException, parquet

    number = 0
    try:
        file = parquet.ParquetFile(stream)
        _check(file, name, _size(stream))
        for value in _values(file):
            number += 1
            yield Row(number, value)
    except PreceptorError:
        raise
    except (ArrowException, OSError, ValueError, OverflowError) as error:  # the last two of values: bytes that are no
        # UTF-8, days that no calendar has
        why = shortened((str(error).splitlines() or [type(error).__name__])[0])
        after = f" after row {number}" if number else ""
        raise DataError(f"{harmless(name)}: not a Parquet file that can be read{after} ({why})") from error


def _values(file: ParquetFile) -> Iterator[dict[str, Any]]:
    for group in range(file.num_row_groups):
        largest = max(file.metadata.row_group(group).total_byte_size, 1)
        rows = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // largest))
        for batch in file.iter_batches(rows, row_groups=[group]):
            yield from cast("list[dict[str, Any]]", batch.to_pylist())


def _size(stream: IO[bytes]) -> int:
    stream.seek(0, os.SEEK_END)
    return stream.tell()


def _check(file: ParquetFile, name: str, size: int) -> None:
    """Raise DataError where a column is there twice, or the file says that it grows as no text does."""
    twice = [column for column, count in Counter(file.schema_arrow.names).items() if count > 1]
    if twice:
        raise DataError(f"{harmless(name)}: the column `{harmless(shortened(twice[0]))}` is there twice")
    rows, grown = file.metadata.num_rows, _grown(file.metadata)
    if rows > max(FEW_ROWS, size) or grown > most_unpacked(size):
        raise DataError(
            f"{harmless(name)}: {rows} rows and {grown} bytes out of {size}; text grows to less than {MOST_UNPACKED} "
            "times its size, and a row takes more than a byte"
        )


def _grown(metadata: FileMetaData) -> int:
    """Bytes of all columns, at least one a value."""
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    columns = (group.column(column) for group in groups for column in range(group.num_columns))
    return sum(max(column.total_uncompressed_size, column.num_values) for column in columns)
