"""One line of JSON as a tree of nodes with columns.

Slower than pydantic's parser, so it reads only lines that need explaining and files that people write. It also sees
what JSON parsers let pass: a key given twice.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from constitution.nodes import Entry, Mapping, Node, Position, Scalar, Sequence, Tree

_SPACE = re.compile(r"[ \t\n\r]*")
_SENTENCES = {
    "Expecting ',' delimiter": "expected `,` or a closing bracket here",
    "Expecting ':' delimiter": "expected `:` after the key",
    "Expecting property name enclosed in double quotes": "expected a key in double quotes",
    "Unterminated string starting at": "this quotation mark is never closed",
    "Expecting value": "expected a value here",
    "Extra data": "one line holds one record: this is more",
    "Invalid \\escape": "an unknown escape: write `\\\\` for a backslash",
    "Invalid control character at": "a control character in the text: write it as an escape such as `\\t`",
    "Invalid \\uXXXX escape": "an escape such as `\\u00e9` needs four hexadecimal digits",
}


class JsonFault(NamedTuple):
    """Where a line stops being JSON, counted from 1 in characters, and what to do."""

    column: int
    message: str


def json_fault(line: str, reason: str) -> JsonFault:
    """Why `line` is not JSON; `reason` is pydantic's, for what the standard library would accept."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return JsonFault(error.colno, _SENTENCES.get(error.msg, f"not valid JSON: {error.msg}"))
    except (RecursionError, ValueError):
        pass
    text, _, column = reason.rpartition(" at line 1 column ")
    before = line.encode("utf-8")[: int(column) - 1] if column.isdigit() else b""
    return JsonFault(len(before.decode("utf-8", "ignore")) + 1, f"not valid JSON: {text or reason}")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 100 else float(digits)  # int() refuses thousands of digits


_DECODER = json.JSONDecoder(parse_int=_integer)


class _Read(NamedTuple):
    node: Node
    end: int


def parse_json_line(line: str, file: str, number: int) -> Tree:
    """The tree of a line that is valid JSON, the `number`-th of `file`. Notes keys that occur twice."""
    tree = Tree(file, [line], None, [], number)
    root = _value(line, _skip(line, 0), tree).node
    if isinstance(root, Mapping):
        return tree._replace(root=root)
    tree.problems.append(tree.problem(root.at, "expected one record in `{ }` on each line"))
    return tree


def _skip(line: str, index: int) -> int:
    space = _SPACE.match(line, index)
    return space.end() if space else index


def _value(line: str, index: int, tree: Tree) -> _Read:
    at = Position(tree.first_line, index + 1)
    if line[index] == "{":
        return _object(line, index, tree, Mapping(at))
    if line[index] == "[":
        return _array(line, index, tree, Sequence(at))
    value, end = _DECODER.raw_decode(line, index)
    return _Read(Scalar(at, value, value if isinstance(value, str) else line[index:end]), end)


def _object(line: str, index: int, tree: Tree, into: Mapping) -> _Read:
    index = _skip(line, index + 1)
    while line[index] != "}":
        key_at = Position(tree.first_line, index + 1)
        key, index = _DECODER.raw_decode(line, index)
        index = _skip(line, _skip(line, index) + 1)
        node, index = _value(line, index, tree)
        if key in into.entries:
            column = into.entries[key].key_at.column
            tree.problems.append(tree.problem(key_at, f"the key `{key}` is already at column {column}"))
        into.entries[key] = Entry(key_at, node)
        index = _after_comma(line, index)
    return _Read(into, index + 1)


def _array(line: str, index: int, tree: Tree, into: Sequence) -> _Read:
    index = _skip(line, index + 1)
    while line[index] != "]":
        node, index = _value(line, index, tree)
        into.items.append(node)
        index = _after_comma(line, index)
    return _Read(into, index + 1)


def _after_comma(line: str, index: int) -> int:
    index = _skip(line, index)
    return _skip(line, index + 1) if line[index] == "," else index
