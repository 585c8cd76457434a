"""Pydantic's errors about values that stand in no text with lines: rows of tables, options of a command.

In the words of explain.py, without line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from constitution import nodes
from constitution.errors import MOST_SHOWN, shortened
from constitution.explain import Details, closest, said_of
from constitution.nodes import Entry, Mapping, Node, Position, Scalar, Unusable
from constitution.places import keys_at, locate, models_at
from constitution.wording import LONGEST_QUOTE, code, expected_in, found, listed

DEEPEST = 32
"""Levels of a value that are looked into."""
MOST_NAMES = 12
"""Columns that one message lists."""
_AT = Position(1, 1)
_HOW_TO_WRITE = re.compile(r"; (?:put it in quotes|take the quotes away|write |a list is written)[^;]*$")
"""Advice on YAML, which these values are not."""


class ValueFault(NamedTuple):
    """What is wrong with which part of a value. `where` is empty for the whole."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"`{self.where}`: {self.message}" if self.where else self.message


def value_faults(error: ValidationError, value: object, model: type[BaseModel]) -> list[ValueFault]:
    """One for each part that is at fault, of many the first. What a part of a union could have been is one."""
    root = _node(value)
    first = error.errors(include_url=False, include_input=False)[:MOST_SHOWN]
    details = [(_path(detail, value), detail) for detail in first]
    paths = [path for path, _ in details]
    # Of a union the member whose parts are at fault was meant, not the one that is of another kind altogether.
    outer = {path for path in paths if any(len(other) > len(path) == _alike(path, other) for other in paths)}
    grouped = groupby((row for row in details if row[0] not in outer), key=lambda row: row[0])
    return [_fault(root, path, [detail for _, detail in group], model) for path, group in grouped]


def _alike(one: Sequence[int | str], other: Sequence[int | str]) -> int:
    """How many parts both begin with."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _fault(root: Node, path: tuple[int | str, ...], details: Sequence[Details], model: type[BaseModel]) -> ValueFault:
    where = shortened(".".join(map(str, path)))
    if details[0]["type"] == "missing":
        owner = locate(root, model, path)
        return ValueFault(where, _missing(str(details[0]["loc"][-1]), owner.node, models_at(owner.type)))
    if details[0]["type"] == "extra_forbidden":
        allowed = keys_at(locate(root, model, path[:-1]).type)
        meant = closest(where[:LONGEST_QUOTE], allowed)
        return ValueFault(
            where, "is not known here; " + (f"did you mean `{meant}`?" if meant else f"allowed: {listed(allowed)}")
        )
    place = locate(root, model, path)
    kinds = [detail["type"] for detail in details]
    if len(kinds) > 1 and (expected := expected_in(kinds)):
        return ValueFault(where, f"expected {expected}, found {found(place.node)}")
    return ValueFault(where, _HOW_TO_WRITE.sub("", said_of(place, details[0])))


def _missing(key: str, owner: Node | None, models: Sequence[type[BaseModel]]) -> str:
    there = list(owner.entries) if isinstance(owner, Mapping) else []
    strangers = [name for name in there if not any(name in model.model_fields for model in models)]
    if meant := closest(key, strangers):
        return f"`{key}` is missing (did you mean it by {code(meant)}, which is there?)"
    shown = [name[:40] for name in there[:MOST_NAMES]]
    return f"`{key}` is missing; there is {listed(shown) or 'nothing'}{' and more' if len(there) > MOST_NAMES else ''}"


def _path(detail: Details, value: object) -> tuple[int | str, ...]:
    """Where in the value, without the names of union members that stand in pydantic's locations; of what is missing,
    the place of what lacks it."""
    location = detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]
    return tuple(_steps(location, value))


def _steps(location: Sequence[int | str], value: Any) -> Iterator[int | str]:
    for part in location:
        if _holds(value, part):
            value = value[part]
            yield part


def _holds(value: object, part: int | str) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, (list, tuple)) and isinstance(part, int) and part < len(value)


def _node(value: object, depth: int = 0) -> Node:
    if depth > DEEPEST:
        return Unusable(_AT)
    if isinstance(value, dict):
        return Mapping(_AT, {str(key): Entry(_AT, _node(one, depth + 1)) for key, one in value.items()})
    if isinstance(value, (list, tuple)):
        return nodes.Sequence(_AT, [_node(one, depth + 1) for one in value])
    known = value is None or isinstance(value, (bool, int, float, str))
    return Scalar(_AT, value if known else str(value), "" if value is None else str(value))  # type: ignore[arg-type]
