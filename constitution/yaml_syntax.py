"""libyaml's syntax errors in plain sentences, at the place that has to be mended (often where something was opened)."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from constitution.nodes import Position

NO_SPACE = "a space is missing after this `-`: an item of a list begins with `- `"
JOINED = re.compile(r"\s*(-)[^\W\d]\w*:(?:\s|$)")
"""A line such as `-id: x`. YAML reads the key `-id`, and stops at the next line or at none."""
_UNCLOSED_QUOTE = "this quotation mark is never closed"
_TAB = "a tab in the indentation: use spaces"
_TAG = "tags are not used here: delete the `!…`, or quote text that begins with `!`"

# A part of libyaml's message, and what to say instead.
_WHERE_IT_STOPPED = {
    "mapping values are not allowed": "this `:` starts a mapping where none can be: "
    "put text that contains `: ` in quotes, or mend the indentation",
    "expected '-' indicator": "expected another `- ` item here, or less indentation",
    "did not find expected key": "expected a key here, lined up with the keys above",
    "found unknown escape character": "an unknown escape in double quotes: "
    "write `\\\\` for a backslash, or use single quotes",
    "hexdecimal number": "an escape such as `\\x41` or `\\u00e9` needs its hexadecimal digits",
    "invalid Unicode character": "this escape stands for no character",
    "tab character": _TAB,
    "expected comment or line break": "text that begins with `|` or `>` needs quotes; "
    "a block of text begins on the line below",
    "did not find expected node content": "this character has nothing to close or to separate: "
    "delete it, or put the text in quotes",
    "sequence entries are not allowed": "a `- ` item cannot begin here: put it on a line of its own, or in quotes",
    "expected <document start>": "the text goes on after the document ended: indent it or put it in quotes",
}
_WHERE_IT_OPENED = {
    "could not find expected ':'": "this line is not `key: value`: "
    "a `:` is missing, or the line is not indented enough",
    "expected ',' or ']'": "this `[` is not closed, or a comma is missing after an item",
    "expected ',' or '}'": "this `{` is not closed, or a comma is missing after an entry",
    "found unexpected end of stream": _UNCLOSED_QUOTE,
    "found unexpected document indicator": _UNCLOSED_QUOTE,
    "expected alphabetic or numeric character": "text that begins with `*` or `&` needs quotes",
}


class SyntaxFault(NamedTuple):
    """Where the text stops being YAML, and what to do."""

    at: Position
    message: str


def explain_syntax(error: yaml.MarkedYAMLError, lines: list[str]) -> SyntaxFault:
    """The fault behind a libyaml error."""
    problem, context = error.problem or "", error.context or ""
    stopped = _position(error.problem_mark or error.context_mark)
    opened = _position(error.context_mark or error.problem_mark)
    if joined := _joined(lines, stopped, problem):
        return SyntaxFault(joined, NO_SPACE)
    if "cannot start any token" in problem:
        return SyntaxFault(stopped, _bad_start(lines[stopped.line - 1][stopped.column - 1 :]))
    if "tag" in context or "tag" in problem:
        return SyntaxFault(opened, _TAG)
    for part, message in _WHERE_IT_STOPPED.items():
        if part in problem:
            return SyntaxFault(stopped, message)
    for part, message in _WHERE_IT_OPENED.items():
        if part in problem:
            return SyntaxFault(opened, message)
    return SyntaxFault(stopped, f"not valid YAML: {problem}")


def _joined(lines: list[str], stopped: Position, problem: str) -> Position | None:
    """The `-` without its space, in the line where libyaml stopped or in the one that this one is indented under."""
    before = [number for number in range(1, stopped.line) if _says_something(lines[number - 1])]
    own = [] if "mapping values" in problem else [stopped.line]  # which may as well be text with a `: ` in it
    for number in (*own, *before[-1:]):
        found = JOINED.match(lines[number - 1])
        if found and (number == stopped.line or found.start(1) < _indent(lines[stopped.line - 1])):
            return Position(number, found.start(1) + 1)
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _bad_start(rest: str) -> str:
    return _TAB if rest.startswith("\t") else f"text that begins with `{rest[:1]}` needs quotes"


def _position(mark: yaml.Mark | None) -> Position:
    assert mark is not None, "libyaml names no place"
    return Position(mark.line + 1, mark.column + 1)
