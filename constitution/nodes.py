"""A parsed file as a tree that remembers where everything stood: what strict_yaml.py and strict_json.py build, and what
explain.py looks up to say at which line and column a value is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from constitution.errors import Problem


class Position(NamedTuple):
    """Line and column, both counted from 1, the column in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """An unquoted scalar that YAML 1.1 and 1.2 read differently, such as `no`. No model accepts it."""

    text: str
    reading: str
    """What YAML 1.1 takes it for: `the boolean false`, `the number 10`, `a date`."""


ScalarValue: TypeAlias = "bool | int | float | str | Ambiguous | None"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `source` is its text as written, without quotes."""

    at: Position
    value: ScalarValue
    source: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands where something was refused (an alias): reported once, so nothing more is said about it."""

    at: Position


@dataclass(slots=True)
class Sequence:
    """A list."""

    at: Position
    items: list[Node] = field(default_factory=list)


class Entry(NamedTuple):
    """One key of a mapping and its value."""

    key_at: Position
    node: Node


@dataclass(slots=True)
class Mapping:
    """Keys and values. `incomplete`: a key was refused, so a missing one means nothing."""

    at: Position
    entries: dict[str, Entry] = field(default_factory=dict)
    incomplete: bool = False


Node: TypeAlias = Scalar | Sequence | Mapping | Unusable


class Tree(NamedTuple):
    """A text, what could be understood of it, and what could not. Without a root there is at least one problem."""

    file: str
    lines: list[str]
    root: Mapping | None
    problems: list[Problem]
    first_line: int = 1

    def problem(self, at: Position, message: str) -> Problem:
        """A fault at a place in this file, with its line."""
        index = at.line - self.first_line
        line = self.lines[index] if index < len(self.lines) else ""
        return Problem(self.file, at.line, at.column, message, line)


def plain(node: Node) -> object:
    """The tree as dicts, tuples and scalars: what a model validates."""
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return tuple(plain(item) for item in node.items)
    return node.value if isinstance(node, Scalar) else node


def damaged(node: Node) -> bool:
    """Whether something in it was refused, so that it is not all that the file says."""
    if isinstance(node, Mapping):
        return node.incomplete or any(damaged(entry.node) for entry in node.entries.values())
    if isinstance(node, Sequence):
        return any(damaged(item) for item in node.items)
    return isinstance(node, Unusable)
