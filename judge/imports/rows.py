"""Rows of a source, whatever it is: JSON lines (gzipped or not), a JSON array, CSV, Parquet, a data set on disk or hub;
a file of this machine or a URL that fsspec knows. One row at a time, but for a JSON array.

A row that has not the columns of its format is the user's error, named by file, line and column. Foreign formats may
have columns of their own: those are not read.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from constitution.errors import ConfigError, DataError, PreceptorError, Problem, harmless, shortened
from constitution.files import decoded
from constitution.values import value_faults
from generate.local_files import check_inside, unusual
from generate.record_files import Place, is_url, opened_at, places
from generate.tables import table_rows
from generate.unpacking import MOST_UNPACKED, most_unpacked
from judge.imports.found import Request
from judge.imports.json_values import elements, first_twice, line_value

REASON_CHARS = 200
PIECE_BYTES = 1024 * 1024
ROWS = "rows"
ModelT = TypeVar("ModelT", bound=BaseModel)


class Foreign(BaseModel):
    """A row of somebody else's format: what is known is checked, the rest is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Row(NamedTuple):
    """A row's value and where it begins."""

    file: str
    line: int
    column: int
    value: Any


def read_rows(request: Request, model: type[ModelT], configuration: str | None = None) -> Iterator[tuple[Row, ModelT]]:
    """Every row of every source as a `model`. `configuration`: of a data set that has several, this one.

    Raises ConfigError at the first that is not one; DataError.
    """
    for source in request.sources:
        for row in islice(_rows(source, request.split, configuration), request.limit):
            yield row, parsed(row, row.value, model)


def parsed(row: Row, value: object, model: type[ModelT], within: str = "") -> ModelT:
    """A part of a row as a `model`. Raises ConfigError that says where, what was expected and what the format needs."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = value_faults(error, value, model)[0]
        where = ".".join(part for part in (within, first.where) if part)
        fields = ", ".join(f"`{name}`" for name, field in model.model_fields.items() if field.is_required())
        message = f"{first._replace(where=where)}; a row of this format has {fields or 'other fields'}"
        raise ConfigError([Problem(row.file, row.line, row.column, message)]) from None


def read_whole(source: str) -> str:
    """A file's text, unpacked if it is gzipped. Raises DataError or ConfigError as reading its lines does."""
    [place] = places(source, ROWS)
    return decoded(b"".join(_lines_of(place)), source)


def _lines_of(place: Place) -> Iterator[bytes]:
    """A file's lines, unpacked if it is gzipped; one at a time."""
    if not place.name.endswith(".gz"):
        with opened_at(place) as stream:
            yield from stream
        return
    try:
        with opened_at(place) as packed:  # before any line is looked at: a bomb has very many, or one very long one
            _check_unpacks(packed)
        with opened_at(place) as packed, gzip.GzipFile(fileobj=packed) as stream:
            yield from stream
    except (OSError, EOFError, ValueError, zlib.error) as error:
        if isinstance(error, PreceptorError):
            raise
        raise DataError(f"{harmless(place.name)}: cannot be unpacked as gzipped UTF-8 text ({error})") from None


def _check_unpacks(packed: IO[bytes]) -> None:
    """Raise ValueError where it grows to more than text ever does."""
    taken = 0
    with gzip.GzipFile(fileobj=packed) as stream:
        while piece := stream.read(PIECE_BYTES):
            taken += len(piece)
            if taken > most_unpacked(packed.tell()):
                raise ValueError(f"it grows to more than {MOST_UNPACKED} times its size")


def _text_lines(place: Place) -> Iterator[str]:
    for number, line in enumerate(_lines_of(place), start=1):
        text = decoded(line, place.name, number)
        yield text.removeprefix("\ufeff") if number == 1 else text


def _rows(source: str, split: str, configuration: str | None) -> Iterator[Row]:
    name = source.removesuffix(".gz")
    if configuration is not None or not (is_url(source) or name.endswith(tuple(READERS)) or Path(source).is_file()):
        yield from _data_set(source, split, configuration)
        return
    for place in places(source, ROWS):
        kind = next((kind for kind in READERS if place.name.removesuffix(".gz").endswith(kind)), None)
        if kind is None:
            raise DataError(f"{harmless(place.name)}: rows are read of files named {', '.join(READERS)}, each also .gz")
        yield from READERS[kind](place)


def _json_lines(place: Place) -> Iterator[Row]:
    # Only "\n" ends a line: JSON text may hold U+2028 and others that str.splitlines() would split at.
    for number, line in enumerate(_text_lines(place), start=1):
        if line.strip():
            yield Row(place.name, number, 1, line_value(line.removesuffix("\n"), place.name, number))


def _json_array(place: Place) -> Iterator[Row]:
    """The elements of the array that the file is, each with its own line. The file is held in memory."""
    for element in elements("".join(_text_lines(place)), place.name):
        yield Row(place.name, *element)


def _csv(place: Place) -> Iterator[Row]:
    # A line may also end in "\r" alone.
    lines = (part for line in _text_lines(place) for part in io.StringIO(line, newline=""))
    reader = csv.reader(lines, strict=True)
    columns: list[str] | None = None
    line = 0
    try:
        for cells in reader:
            first, line = line + 1, reader.line_num
            if columns is None and cells:
                columns = _columns(cells, place.name, first)
            elif columns is not None and cells:
                yield Row(place.name, first, 1, _by_column(columns, cells, place.name, first))
    except csv.Error as error:
        raise ConfigError([Problem(place.name, reader.line_num, 1, f"not valid CSV: {error}")]) from None


def _columns(cells: list[str], source: str, line: int) -> list[str]:
    """The names in the first row. Raises ConfigError where one is there twice."""
    if (twice := first_twice(name for name in cells if name)) is not None:
        raise ConfigError([Problem(source, line, 1, f"the column `{shortened(twice)}` is there twice")])
    return cells


def _by_column(columns: list[str], cells: list[str], source: str, line: int) -> dict[str, str | None]:
    """A row's cells by name, None for those that it lacks. Raises ConfigError where it has too many."""
    if len(cells) > len(columns):
        message = f"{len(cells)} cells under {len(columns)} columns: a cell with a comma in it needs quotation marks"
        raise ConfigError([Problem(source, line, 1, message)])
    return dict(zip_longest(columns, cells))


def _parquet(place: Place) -> Iterator[Row]:
    with opened_at(place) as stream:
        for row in table_rows(stream, place.name):
            yield Row(place.name, row.number, 1, row.value)


READERS: dict[str, Callable[[Place], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_array,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""By what a file's name ends in, `.gz` aside."""


def _data_set(source: str, split: str, configuration: str | None) -> Iterator[Row]:
    """Data sets that need code of their own are refused by the library itself."""
    from datasets import disable_progress_bars
    from datasets.utils.logging import CRITICAL, set_verbosity

    disable_progress_bars()
    set_verbosity(CRITICAL)  # what it would log comes as an error, and is said once
    try:
        for number, value in enumerate(_opened(source, split, configuration), start=1):
            yield Row(source, number, 1, value)
    except PreceptorError:
        raise
    except Exception as error:  # whatever the libraries meet in a damaged folder: YAML, Arrow, types, look-ups
        reason = (str(error).splitlines() or [type(error).__name__])[0][:REASON_CHARS]
        raise DataError(
            f"{harmless(source)}: neither a file that is there ({', '.join(READERS)}) nor a data set with a split "
            f"`{harmless(split)}` ({harmless(reason)})"
        ) from error


def _opened(source: str, split: str, configuration: str | None) -> Iterable[Any]:
    """The rows of a data set on disk in either form, or on the hub."""
    from datasets import DatasetDict, load_dataset, load_from_disk

    path = Path(source)
    if path.is_dir():
        check_inside(path, unusual(path))
    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        found = load_from_disk(source)
        rows: Iterable[Any] = found[split] if isinstance(found, DatasetDict) else found
        return rows
    rows = load_dataset(source, configuration, split=split, streaming=True)
    return rows
