"""JSON of others, read more strictly than the standard library does: no key twice, no text that UTF-8 cannot hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from constitution.errors import ConfigError, Problem, shortened
from constitution.strict_json import json_fault

_SPACE = re.compile(r"\s*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Half of a surrogate pair: where none is written, none can be in the text."""


class Refused(ValueError):
    """JSON that the standard library would read, and that says nothing one can rely on."""


class Element(NamedTuple):
    """One element of an array, and where it begins, counted from 1."""

    line: int
    column: int
    value: Any


class Mark(NamedTuple):
    """How far a text's lines are counted: up to the character `at`, which is in `line`, which begins at `start`."""

    at: int
    line: int
    start: int

    def moved(self, text: str, index: int) -> Mark:
        """At `index`, which is not before this one: only what is between is looked at."""
        newline = text.rfind("\n", self.at, index)
        return Mark(index, self.line + text.count("\n", self.at, index), self.start if newline < 0 else newline + 1)

    def problem(self, source: str, message: str) -> ConfigError:
        """The error that says what is wrong here."""
        return ConfigError([Problem(source, self.line, self.at - self.start + 1, message)])


def line_value(line: str, source: str, number: int) -> Any:
    """The value on the `number`-th line. Raises ConfigError."""
    try:
        return whole_value(line)
    except Refused as error:
        raise ConfigError([Problem(source, number, 1, str(error), line)]) from None
    except RecursionError:
        raise ConfigError([Problem(source, number, 1, "nested too deeply")]) from None
    except ValueError as error:
        fault = json_fault(line, str(error))
        raise ConfigError([Problem(source, number, fault.column, fault.message, line)]) from None


def whole_value(text: str) -> Any:
    """The one value that the text is. Raises Refused; ValueError or RecursionError as the standard library does."""
    value = json.loads(text, object_pairs_hook=_unique)
    _check_encodes(text, 0, len(text), value)
    return value


def elements(text: str, source: str) -> Iterator[Element]:
    """Those of the array that the text is, in time that grows with its length. Raises ConfigError."""
    mark = Mark(0, 1, 0).moved(text, _skip(text, 0))
    if text[mark.at : mark.at + 1] != "[":
        raise mark.problem(source, "expected an array of rows, `[ {...}, ... ]`")
    mark = mark.moved(text, _skip(text, mark.at + 1))
    while text[mark.at : mark.at + 1] != "]":
        value, end = _element(text, mark, source)
        yield Element(mark.line, mark.at - mark.start + 1, value)
        mark = mark.moved(text, _skip(text, end))
        if text[mark.at : mark.at + 1] == ",":
            mark = mark.moved(text, _skip(text, mark.at + 1))
            if text[mark.at : mark.at + 1] == "]":
                raise mark.problem(source, "expected a row after `,`")
        elif text[mark.at : mark.at + 1] != "]":
            raise mark.problem(source, "expected `,` or `]` after a row")
    mark = mark.moved(text, _skip(text, mark.at + 1))
    if mark.at < len(text):
        raise mark.problem(source, "expected nothing after the array")


def _element(text: str, mark: Mark, source: str) -> tuple[Any, int]:
    """The value that begins at the mark, and where it ends. Raises ConfigError."""
    try:
        value, end = _DECODER.raw_decode(text, mark.at)
        _check_encodes(text, mark.at, end, value)
        return value, end
    except json.JSONDecodeError as error:
        raise mark.moved(text, error.pos).problem(source, f"not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # refused, a number of too many digits, nested too deeply
        raise mark.problem(source, f"cannot be read: {error}") from None


def _skip(text: str, index: int) -> int:
    space = _SPACE.match(text, index)
    return space.end() if space else index


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = first_twice(key for key, _ in pairs)
        raise Refused(f"the key `{shortened(str(twice))}` occurs twice in one object")
    return value


def first_twice(names: Iterable[str]) -> str | None:
    """The first of them that has come before."""
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _check_encodes(text: str, start: int, end: int, value: Any) -> None:
    """Raise Refused where half of a surrogate pair stands alone."""
    if _SURROGATE.search(text, start, end):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):04x}"
            raise Refused(f"text with {half} alone, half of a surrogate pair, which UTF-8 cannot hold") from None
