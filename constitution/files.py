"""Files that are either the old one or the new one, never half of one; and JSON lines of records."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import ConfigError, DataError, Problem, StoreError, harmless
from constitution.explain import explain
from constitution.strict_json import json_fault, parse_json_line

RecordT = TypeVar("RecordT", bound=BaseModel)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become `path` when the block ends well: a temporary name in the same folder, fsync, rename.

    When the block ends with an error, `path` is what it was. Raises StoreError if it cannot be written.
    """
    if not path.name:
        raise StoreError(f"{path}: cannot be written (this is a folder, a file was expected)")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path}: cannot be written ({why}); nothing is left half written") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write to a temporary name in the same folder, fsync, rename over `path`, fsync the folder."""
    with replacing(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


def fsync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Of several processes that hold the same folder one goes on and the others wait; a crash lets go of it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_json(path: Path, value: object) -> None:
    """Indented JSON with a final newline, atomically."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_records(path: Path, records: Iterable[BaseModel]) -> None:
    """One JSON object a line, atomically. Records are written as they come, and none is kept."""
    write_lines(path, (record.model_dump_json() for record in records))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Texts of one line each, in the same way."""
    with replacing(path) as stream:
        stream.writelines(line.encode("utf-8") + b"\n" for line in lines)


def read_text(path: Path, max_bytes: int | None = None) -> str:
    """The file as UTF-8 text, line ends as they are.

    Raises DataError if it is missing, a folder, unreadable or longer than `max_bytes`; ConfigError if it is not UTF-8.
    """
    with opened(path) as stream:
        data = stream.read(-1 if max_bytes is None else max_bytes + 1)
    if max_bytes is not None and len(data) > max_bytes:
        raise DataError(f"{harmless(str(path))}: longer than {max_bytes // 1024} KiB, which no file of this kind needs")
    return decoded(data, str(path))


def opened(path: Path) -> BinaryIO:
    """The file as a stream of bytes. Raises DataError if it is missing, a folder, no regular file or unreadable."""
    try:
        # A pipe would make us wait for its other end, and records are read more than once.
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise DataError(f"{harmless(str(path))}: this is a pipe or a device, a file was expected", str(path))
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{harmless(str(path))}: there is no such file", str(path)) from None
    except IsADirectoryError:
        raise DataError(f"{harmless(str(path))}: this is a folder, a file was expected", str(path)) from None
    except DataError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{harmless(str(path))}: cannot be read ({reason})", str(path)) from error


def decoded(data: bytes, file: str, first_line: int = 1) -> str:
    """UTF-8 text, or ConfigError with line and column of what is none. `file` is its name in the message."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").split("\n")
        message = f"not UTF-8 text (byte 0x{data[error.start]:02x}): save the file as UTF-8"
        raise ConfigError([Problem(file, first_line + len(before) - 1, len(before[-1]) + 1, message)]) from None


class Numbered(NamedTuple, Generic[RecordT]):
    """A record and where it came from: its line, counted from 1, and that line's text."""

    line: int
    text: str
    record: RecordT


class RecordFile(Generic[RecordT]):
    """The records of a file, read anew and one at a time whenever they are iterated: no more than one is in memory."""

    def __init__(self, path: Path, record_type: type[RecordT], some: bool = False) -> None:
        """With `some`, a file without any record is at fault."""
        self.path = path
        self._type = record_type
        self._some = some

    def __iter__(self) -> Iterator[RecordT]:
        """Raises as `read_records` does; after a fault no further record comes, but its fellows are looked for."""
        numbered = None
        for numbered in _numbered(self.path, self._type):
            yield numbered.record
        if numbered is None and self._some:
            raise ConfigError([Problem(str(self.path), 1, 1, "the file is empty: expected one JSON object a line")])


def read_records(path: Path, record_type: type[RecordT]) -> list[RecordT]:
    """Read what `write_records` wrote, or what a person wrote in the same shape.

    Raises ConfigError with file, line and column of every fault, over all lines; DataError as `read_text` does.
    """
    return list(RecordFile(path, record_type))


def read_numbered(path: Path, record_type: type[RecordT]) -> list[Numbered[RecordT]]:
    """As `read_records`, with the line numbers. Empty lines are skipped."""
    return list(_numbered(path, record_type))


def _numbered(path: Path, record_type: type[RecordT]) -> Iterator[Numbered[RecordT]]:
    with opened(path) as stream:
        yield from numbered_lines(stream, str(path), record_type)


def numbered_lines(stream: Iterable[bytes], file: str, record_type: type[RecordT]) -> Iterator[Numbered[RecordT]]:
    """The records in these lines, as `read_numbered`; `file` is their name in messages."""
    problems: list[Problem] = []
    # Only "\n" ends a line: JSON text may hold U+2028 and other characters that str.splitlines() would split at.
    for number, data in enumerate(stream, start=1):
        line = decoded(data.removesuffix(b"\n"), file, number)
        line = line.removeprefix("\ufeff") if number == 1 else line
        if not line.strip():
            continue
        try:
            record = record_type.model_validate_json(line)
        except ValidationError as error:
            problems += _line_problems(error, line, number, file, record_type)
            continue
        if not problems:
            yield Numbered(number, line, record)
    if problems:
        raise ConfigError(problems)


def _line_problems(
    error: ValidationError, line: str, number: int, file: str, record_type: type[BaseModel]
) -> list[Problem]:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        fault = json_fault(line, first["ctx"]["error"])
        return [Problem(file, number, fault.column, fault.message, line)]
    tree = parse_json_line(line, file, number)
    return tree.problems + explain(error, tree, record_type) if tree.root else tree.problems
