"""JSON files that a stage wrote, read back: what they hold, or one error with the place of the fault."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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
    except (ValueError, RecursionError) as error:
        raise ConfigError([_problem(path, 1, text, error)]) from error


def read_object(path: Path, needs: Sequence[str] = ()) -> dict[str, Any]:
    """A file that is one object. Raises as `read_json`, and ConfigError where it is none or lacks one of `needs`."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise ConfigError([_problem(path, 1, "", NoObject())])
    lacking = [f"`{name}`" for name in needs if name not in value]
    if lacking:
        raise ConfigError([Problem(str(path), 1, 1, f"lacks {', '.join(lacking)}")])
    return value


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """One object a line. Raises as `read_object`, with every line that is at fault."""
    lines = read_text(path).split("\n")
    try:
        return [json_object(line) for line in lines if line.strip()]
    except (ValueError, RecursionError):
        faults = [(n, line, fault) for n, line in enumerate(lines, start=1) if line.strip() and (fault := _fault(line))]
        raise ConfigError([_problem(path, n, line, fault) for n, line, fault in faults]) from None


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """One object a line, read as they are asked for. Raises as `read_json_lines`."""
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.strip():
                    yield json_object(line)
    except (OSError, ValueError, RecursionError):
        read_json_lines(path)  # which says what is wrong, and where
        raise


class NoObject(ValueError):
    """JSON that is something other than an object."""


def json_object(line: str | bytes) -> dict[str, Any]:
    """Raises NoObject; ValueError or RecursionError as the standard library does."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise NoObject
    return value


def _fault(line: str) -> ValueError | RecursionError | None:
    try:
        json_object(line)
    except (ValueError, RecursionError) as error:
        return error
    return None


def _problem(path: Path, number: int, text: str, error: ValueError | RecursionError) -> Problem:
    """Of text that begins at line `number` of the file."""
    if isinstance(error, json.JSONDecodeError):
        line = text.split("\n")[error.lineno - 1]
        return Problem(str(path), number + error.lineno - 1, error.colno, f"not JSON: {error.msg}", line)
    if isinstance(error, NoObject):
        return Problem(str(path), number, 1, "expected one object in `{ }`")
    why = "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
    return Problem(str(path), number, 1, f"not JSON that can be read: {why}")


def read_record(path: Path, record_type: type[RecordT]) -> RecordT:
    """A file that is one record. Raises as `read_json`, and ConfigError where it is a record of another shape."""
    value = read_json(path)
    try:
        return record_type.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            [Problem(str(path), 1, 1, f"`{where}`: {first['msg']}" if where else first["msg"])]
        ) from error
