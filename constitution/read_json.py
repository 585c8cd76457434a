"""JSON files that a stage wrote, read back: what they hold, or one error with the place of the fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from constitution.errors import ConfigError, Problem
from constitution.files import RecordT, read_text


def read_json(path: Path) -> Any:
    """What `write_json` wrote. Raises ConfigError with the place of a fault, DataError as `read_text` does."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        raise ConfigError([Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}", line)]) from error
    except RecursionError as error:
        raise ConfigError([Problem(str(path), 1, 1, "not JSON: nested too deeply")]) from error


def read_json_lines(path: Path) -> list[Any]:
    """One value a line. Raises as `read_json`."""
    lines = read_text(path).split("\n")
    try:
        return [json.loads(line) for line in lines if line.strip()]
    except ValueError:
        faults = [(n, line, fault) for n, line in enumerate(lines, start=1) if line.strip() and (fault := _fault(line))]
        raise ConfigError([Problem(str(path), n, fault.colno, fault.msg, line) for n, line, fault in faults]) from None


def json_lines(path: Path) -> Iterator[Any]:
    """One value a line, read as they are asked for. Raises as `read_json`."""
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.strip():
                    yield json.loads(line)
    except (OSError, ValueError):
        read_json_lines(path)  # which says what is wrong, and where
        raise


def _fault(line: str) -> json.JSONDecodeError | None:
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error
    return None


def read_record(path: Path, record_type: type[RecordT]) -> RecordT:
    """A file that is one record. Raises as `read_json`, and ConfigError where it is a record of another shape."""
    value = read_json(path)
    try:
        return record_type.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError([Problem(str(path), 1, 1, f"`{where}`: {first['msg']}")]) from error
