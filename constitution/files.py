"""Files that are either the old one or the new one, never half of one; and JSON lines of records."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from constitution.errors import ConfigError, Problem

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


def read_records(path: Path, record_type: type[RecordT]) -> list[RecordT]:
    """Read what `write_records` wrote, or what a person wrote in the same shape.

    Raises ConfigError with file, line and every fault found, over all lines.
    """
    records: list[RecordT] = []
    problems: list[Problem] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            records.append(record_type.model_validate_json(line))
        except ValidationError as error:
            problems += [
                Problem(
                    str(path),
                    number,
                    1,
                    f"{'.'.join(map(str, e['loc'])) or record_type.__name__}: {e['msg']}",
                    line[:120],
                )
                for e in error.errors()
            ]
    if problems:
        raise ConfigError(problems)
    return records
