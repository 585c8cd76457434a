"""Rows of a source, whatever it is: JSON lines (gzipped or not), a JSON array, CSV, Parquet, a data set on disk or hub.

A row that has not the columns of its format is the user's error, named by file, line and column. Foreign formats may
have columns of their own: those are not read.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from constitution.errors import ConfigError, DataError, Problem, harmless
from constitution.files import read_text
from constitution.strict_json import json_fault
from judge.imports.found import Request

REASON_CHARS = 200
MOST_UNPACKED = 100
"""A gzipped file may grow to so many times its size. Text grows to less than twenty, a bomb to a thousand."""
UNPACKED_BYTES = 16 * 1024 * 1024
"""What may be unpacked of any file, however small."""
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
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in (*filter(None, [within]), *first["loc"]))
        fields = ", ".join(f"`{name}`" for name, field in model.model_fields.items() if field.is_required())
        message = f"{where or 'the row'}: {first['msg']}; a row of this format has {fields or 'other fields'}"
        raise ConfigError([Problem(row.file, row.line, row.column, message)]) from None


def read_whole(source: str) -> str:
    """A file's text, unpacked if it is gzipped. Raises DataError or ConfigError as `read_text` does."""
    path = Path(source)
    if path.suffix != ".gz":
        return read_text(path)
    try:
        return _unpacked(path).decode("utf-8")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{harmless(source)}: cannot be unpacked as gzipped UTF-8 text ({error})") from None


def _unpacked(path: Path) -> bytes:
    """Raises ValueError for a file that unpacks to more than text ever does."""
    most = max(UNPACKED_BYTES, MOST_UNPACKED * path.stat().st_size)
    with gzip.open(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it grows to more than {MOST_UNPACKED} times its size")
    return data


def _rows(source: str, split: str, configuration: str | None) -> Iterator[Row]:
    if configuration is not None:
        return _data_set(source, split, configuration)
    name = source.removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        return _json_lines(source)
    if name.endswith(".json"):
        return _json_array(source)
    if name.endswith(".csv"):
        return _csv(source)
    return _data_set(source, split, None)


def _json_lines(source: str) -> Iterator[Row]:
    # Only "\n" ends a line: JSON text may hold U+2028 and others that str.splitlines() would split at.
    for number, line in enumerate(read_whole(source).removeprefix("\ufeff").split("\n"), start=1):
        if line.strip():
            try:
                yield Row(source, number, 1, json.loads(line))
            except RecursionError:
                raise ConfigError([Problem(source, number, 1, "nested too deeply")]) from None
            except ValueError as error:
                fault = json_fault(line, str(error))
                raise ConfigError([Problem(source, number, fault.column, fault.message, line)]) from None


def _json_array(source: str) -> Iterator[Row]:
    """The elements of the array that the file is, each with its own line."""
    text = read_whole(source)
    decoder, index = json.JSONDecoder(), _skip(text, 0)
    if text[index : index + 1] != "[":
        raise ConfigError([_json_problem(source, text, index, "expected an array of rows, `[ {...}, ... ]`")])
    index = _skip(text, index + 1)
    while text[index : index + 1] != "]":
        try:
            value, end = decoder.raw_decode(text, index)
        except json.JSONDecodeError as error:
            raise ConfigError([_json_problem(source, text, error.pos, f"not valid JSON: {error.msg}")]) from None
        except (ValueError, RecursionError) as error:  # a number of too many digits, nested too deeply
            raise ConfigError([_json_problem(source, text, index, f"cannot be read: {error}")]) from None
        place = _json_problem(source, text, index, "")
        yield Row(source, place.line, place.column, value)
        index = _skip(text, end)
        if text[index : index + 1] == ",":
            index = _skip(text, index + 1)
        elif text[index : index + 1] != "]":
            raise ConfigError([_json_problem(source, text, index, "expected `,` or `]` after a row")])


def _skip(text: str, index: int) -> int:
    while text[index : index + 1].isspace():
        index += 1
    return index


def _json_problem(source: str, text: str, index: int, message: str) -> Problem:
    return Problem(source, text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index), message)


def _csv(source: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(read_whole(source), newline=""), strict=True)
    line = reader.line_num
    try:
        for value in reader:
            yield Row(source, line + 2 if line == 0 else line + 1, 1, value)
            line = reader.line_num
    except csv.Error as error:
        raise ConfigError([Problem(source, reader.line_num, 1, f"not valid CSV: {error}")]) from None


def _data_set(source: str, split: str, configuration: str | None) -> Iterator[Row]:
    """Data sets that need code of their own are refused by the library itself."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    try:
        for number, value in enumerate(_opened(source, split, configuration), start=1):
            yield Row(source, number, 1, value)
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:REASON_CHARS]
        raise DataError(
            f"{harmless(source)}: neither a file that is there (.jsonl, .json, .csv, .parquet, each also .gz but the "
            f"last) nor a data set with a split `{harmless(split)}` ({harmless(reason)})"
        ) from error


def _opened(source: str, split: str, configuration: str | None) -> Iterable[Any]:
    """The rows of a Parquet file, of a data set on disk in either form, or on the hub."""
    from datasets import DatasetDict, load_dataset, load_from_disk

    path = Path(source)
    if path.is_file():
        rows: Iterable[Any] = load_dataset("parquet", data_files=source, split="train", streaming=True)
        return rows
    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        found = load_from_disk(source)
        rows = found[split] if isinstance(found, DatasetDict) else found
        return rows
    rows = load_dataset(source, configuration, split=split, streaming=True)
    return rows
