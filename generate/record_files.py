"""Where records are: a file or a folder of files, of JSON lines or Parquet, on this machine or wherever fsspec reaches.

    prompts/train.jsonl     prompts/     s3://bucket/prompts/     zip://train.parquet::prompts.zip     memory://train.jsonl

They are read anew, one at a time, whenever they are iterated. A folder's files are read in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import ConfigError, DataError, PreceptorError, Problem, harmless, shortened
from constitution.files import numbered_lines, opened
from constitution.values import value_faults
from generate.local_files import check_inside, check_is_data, local_path
from generate.tables import table_rows
from generate.unpacking import most_unpacked

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

LINES, TABLES = (".jsonl", ".ndjson"), (".parquet",)
ARCHIVES = ("zip", "tar", "libarchive")
RecordT = TypeVar("RecordT", bound=BaseModel)


class Found(NamedTuple, Generic[RecordT]):
    """A record, its file, its line or row there (from 1), and the line's text; a row of Parquet has none."""

    file: str
    line: int
    text: str | None
    record: RecordT


class Place(NamedTuple):
    """A file, and the file system that it is in; None for this machine's."""

    name: str
    system: AbstractFileSystem | None


class RecordSource(Generic[RecordT]):
    """The records of one type in a file, a folder or a URL."""

    def __init__(self, where: str | Path, record_type: type[RecordT], plural: str) -> None:
        """`plural`: what the records are called in messages."""
        self.where = str(where)
        self._type = record_type
        self._plural = plural

    def __iter__(self) -> Iterator[RecordT]:
        """Raises as `found` does."""
        return (found.record for found in self.found())

    def found(self) -> Iterator[Found[RecordT]]:
        """Every record with its place. Raises ConfigError with all faults of a file; DataError for one not readable."""
        for place in places(self.where, self._plural):
            with opened_at(place) as stream:
                read = self._rows if place.name.endswith(TABLES) else self._lines
                yield from read(stream, place.name)

    def _lines(self, stream: IO[bytes], name: str) -> Iterator[Found[RecordT]]:
        return (Found(name, one.line, one.text, one.record) for one in numbered_lines(stream, name, self._type))

    def _rows(self, stream: IO[bytes], name: str) -> Iterator[Found[RecordT]]:
        problems: list[Problem] = []
        for row in table_rows(stream, name):
            given = _given(row.value)
            try:
                record = self._type.model_validate(given)
            except ValidationError as error:
                fault = value_faults(error, given, self._type)[0]
                problems.append(Problem(name, row.number, 1, f"{'column ' if fault.where else ''}{fault}"))
                continue
            if not problems:
                yield Found(name, row.number, None, record)
        if problems:
            raise ConfigError(problems)


def is_url(where: str) -> bool:
    """Whether fsspec is asked, rather than this machine's files."""
    return "://" in where


def located(base: Path, where: str) -> str:
    """A URL as it is, a path relative to `base`."""
    return where if is_url(where) else str(base / where)


def places(where: str, plural: str) -> list[Place]:
    """The file or URL; of a folder its files of records, in the order of their names.

    Raises DataError if there is none; `plural` says what was looked for.
    """
    with reached(where):
        check_is_data(where)
        if (path := local_path(where)) is not None:
            return _local(Path(path), where, plural)
        from fsspec.core import url_to_fs

        system, path_there = url_to_fs(where)
        names = system.find(path_there) if system.isdir(path_there) else None
        found = [path_there] if names is None else _shards(names, where, plural)
        _check_unpacks(where, system, found)
    return [Place(name, system) for name in found]


def _local(path: Path, where: str, plural: str) -> list[Place]:
    if not path.is_dir():
        return [Place(str(path), None)]
    names = _shards([str(one) for one in path.iterdir()], where, plural)
    check_inside(path, [Path(name) for name in names])
    return [Place(name, None) for name in names]


def _check_unpacks(where: str, system: AbstractFileSystem, names: list[str]) -> None:
    """Raise DataError where what is to be read of an archive is more than text ever grows to."""
    from fsspec.core import url_to_fs

    first, _, around = where.partition("::")
    if first.partition("://")[0] not in ARCHIVES or not around:
        return
    outside, path = url_to_fs(around)
    grown, packed = sum(system.size(name) or 0 for name in names), outside.size(path)
    if packed is not None and grown > most_unpacked(packed):
        raise DataError(f"{harmless(where)}: {packed} bytes that unpack to {grown}, more than text grows to")


def _shards(names: list[str], where: str, plural: str) -> list[str]:
    shards = sorted(name for name in names if name.endswith(LINES + TABLES))
    if not shards:
        what = f"a folder without {plural}: expected files named *.jsonl or *.parquet in it"
        raise DataError(f"{harmless(where)}: {what}", where)
    return shards


@contextmanager
def opened_at(place: Place) -> Iterator[IO[bytes]]:
    """The file as bytes. Raises DataError if it cannot be read."""
    if place.system is None:
        with opened(Path(place.name)) as stream:
            try:
                yield stream
            except OSError as error:
                if error.errno is None:  # of gzip: not the disk's
                    raise
                raise DataError(f"{harmless(place.name)}: cannot be read ({error.strerror})") from error
        return
    with reached(place.name), place.system.open(place.name, "rb") as remote:
        yield remote


def _given(value: Any) -> Any:
    """Without the fields that are empty here: a table has all of its columns in every row."""
    if isinstance(value, dict):
        return {name: _given(field) for name, field in value.items() if field is not None}
    return [_given(one) for one in value] if isinstance(value, list) else value


@contextmanager
def reached(where: str, done: str = "read") -> Iterator[None]:
    """Whatever a file system of fsspec raises as a DataError; `done`: what was to be done there."""
    try:
        yield
    except PreceptorError:
        raise
    except (OSError, ValueError, ImportError, LookupError, RuntimeError, TypeError) as error:
        # A TypeError comes of file systems that need options of their own.
        said = shortened((str(error).splitlines() or [type(error).__name__])[0])
        raise DataError(
            f"{harmless(shortened(where))}: cannot be {done} ({type(error).__name__}: {said})", where
        ) from error
