"""Files that are either the old one or the new one, never half of one; and JSON lines of records."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import ConfigError, DataError, Problem, harmless
from constitution.explain import explain
from constitution.strict_json import json_fault, parse_json_line

RecordT = TypeVar("RecordT", bound=BaseModel)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write to a temporary name in the same folder, fsync, rename over `path`, fsync the folder."""
    payload = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: object) -> None:
    """Indented JSON with a final newline, atomically."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_records(path: Path, records: Iterable[BaseModel]) -> None:
    """One JSON object a line, atomically."""
    write_atomically(path, "".join(record.model_dump_json() + "\n" for record in records))


def read_text(path: Path, max_bytes: int | None = None) -> str:
    """The file as UTF-8 text, line ends as they are.

    Raises DataError if it is missing, a folder, unreadable or longer than `max_bytes`; ConfigError if it is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(-1 if max_bytes is None else max_bytes + 1)
    except FileNotFoundError:
        raise DataError(f"{harmless(str(path))}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{harmless(str(path))}: this is a folder, a file was expected") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{harmless(str(path))}: cannot be read ({reason})") from error
    if max_bytes is not None and len(data) > max_bytes:
        raise DataError(f"{harmless(str(path))}: longer than {max_bytes // 1024} KiB, which no file of this kind needs")
    return _decode(data, path)


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").split("\n")
        message = f"not UTF-8 text (byte 0x{data[error.start]:02x}): save the file as UTF-8"
        raise ConfigError([Problem(str(path), len(before), len(before[-1]) + 1, message)]) from None


class Numbered(NamedTuple, Generic[RecordT]):
    """A record and where it came from: its line, counted from 1, and that line's text."""

    line: int
    text: str
    record: RecordT


def read_records(path: Path, record_type: type[RecordT]) -> list[RecordT]:
    """Read what `write_records` wrote, or what a person wrote in the same shape.

    Raises ConfigError with file, line and column of every fault, over all lines; DataError as `read_text` does.
    """
    return [numbered.record for numbered in read_numbered(path, record_type)]


def read_numbered(path: Path, record_type: type[RecordT]) -> list[Numbered[RecordT]]:
    """As `read_records`, with the line numbers. Empty lines are skipped."""
    found: list[Numbered[RecordT]] = []
    problems: list[Problem] = []
    # Only "\n" ends a line: JSON text may hold U+2028 and other characters that str.splitlines() would split at.
    for number, line in enumerate(read_text(path).removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(Numbered(number, line, record_type.model_validate_json(line)))
        except ValidationError as error:
            problems += _line_problems(error, line, number, str(path), record_type)
    if problems:
        raise ConfigError(problems)
    return found


def _line_problems(
    error: ValidationError, line: str, number: int, file: str, record_type: type[BaseModel]
) -> list[Problem]:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        fault = json_fault(line, first["ctx"]["error"])
        return [Problem(file, number, fault.column, fault.message, line)]
    tree = parse_json_line(line, file, number)
    return tree.problems + explain(error, tree, record_type) if tree.root else tree.problems
