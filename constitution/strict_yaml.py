"""Strict YAML: text to a tree of nodes with positions, and all of a file's faults at once.

The file is read as libyaml's events, not as its finished nodes: only the events still show anchors, aliases and tags,
an alias never expands, and a file nested too deeply is refused before libyaml has spent its quadratic time on it.
Refused: duplicate keys, anchors, aliases, merge keys, tags, directives, several documents, tabs as indentation,
merge-conflict markers, control characters, anything but a mapping at the top, and nesting deeper than MAX_DEPTH.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from constitution.nodes import Ambiguous, Entry, Mapping, Node, Position, Scalar, ScalarValue, Sequence, Tree, Unusable
from constitution.scalars import read_plain
from constitution.yaml_syntax import JOINED, NO_SPACE, explain_syntax

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

_CONFLICT = re.compile(r"(<{7}|>{7}|\|{7})( .*)?|={7}")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_START, _END = (yaml.MappingStartEvent, yaml.SequenceStartEvent), (yaml.MappingEndEvent, yaml.SequenceEndEvent)


def parse_yaml(text: str, file: str) -> Tree:
    """The tree of `text`. CRLF line ends and a byte-order mark are accepted; `file` is the name for messages."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    tree = Tree(file, [*text.split("\n"), ""], None, [])  # libyaml may point just past the end
    builder = _read(text, tree)
    return tree._replace(root=builder.top()) if builder else tree


def parse_value(text: str, tree: Tree, at: Position) -> Node:
    """The value `text`, which stands at this place of `tree`, as strictly; its faults join the tree's problems.

    It may have several lines, each of them indented in `tree` as far as the first.
    """
    indent = " " * (at.column - 1)
    faults = len(tree.problems)
    builder = _read("\n" * (at.line - tree.first_line) + indent + text.replace("\n", f"\n{indent}"), tree)
    if builder is None or len(tree.problems) > faults:
        return Unusable(at)
    return builder.value() or Scalar(at, None, "")


def _read(text: str, tree: Tree) -> _Builder | None:
    """None where a fault, which joins the tree's problems, leaves nothing to build."""
    faults = len(tree.problems)
    _scan_lines(tree)
    if len(tree.problems) > faults:
        return None
    builder = _Builder(tree)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if not builder.accept(event):
                break
    except yaml.MarkedYAMLError as error:
        fault = explain_syntax(error, tree.lines)
        if not any((problem.line, problem.column) == fault.at for problem in tree.problems):
            tree.problems.append(tree.problem(fault.at, fault.message))
        return None
    return builder


def _scan_lines(tree: Tree) -> None:
    """Faults that make the rest unreadable: conflict markers and characters that YAML or a terminal cannot take."""
    marked = [number for number, line in enumerate(tree.lines, start=1) if _CONFLICT.fullmatch(line)]
    if marked:
        others = f" (others on {_lines(marked[1:])})" if marked[1:] else ""
        at = Position(marked[0], 1)
        tree.problems.append(
            tree.problem(at, f"a merge-conflict marker{others}: settle the conflict and delete the markers")
        )
    for number, line in enumerate(tree.lines, start=1):
        if found := _CONTROL.search(line):
            message = f"an invisible character (U+{ord(found[0]):04X}): delete it"
            tree.problems.append(tree.problem(Position(number, found.start() + 1), message))


def _lines(numbers: list[int]) -> str:
    return f"{'line' if len(numbers) == 1 else 'lines'} {', '.join(map(str, numbers))}"


class _Builder:
    """Builds the tree from events and notes every fault; `accept` says whether reading on makes sense."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._documents: list[Node] = []
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Scalar | Unusable | None] = []
        self._tabs_seen: set[int] = set()

    def accept(self, event: Any) -> bool:
        """Take one event in. False after a fault that leaves nothing sensible to read."""
        at = Position(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            return self._document(event, at)
        if isinstance(event, _END):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._refuse_alias(str(event.anchor), at)
            self._add(Unusable(at))
        elif isinstance(event, yaml.NodeEvent):
            self._refuse_decorations(event, at)
            self._add(_node(event, at))
            if isinstance(event, _START) and len(self._open) > MAX_DEPTH:
                self._fault(at, f"nested deeper than {MAX_DEPTH} levels")
                return False
        return True

    def top(self) -> Mapping | None:
        """The document's mapping; notes a fault if there is none."""
        root = self.value()
        if isinstance(root, Mapping):
            return root
        if root is None or (isinstance(root, Scalar) and root.source == ""):
            self._fault(Position(1, 1), "the file is empty")
        elif not self._tree.problems:
            found = "a list" if isinstance(root, Sequence) else "a single value"
            self._fault(root.at, f"expected `key: value` lines at the top, found {found}")
        return None

    def value(self) -> Node | None:
        """What the document is; None if there is none."""
        return self._documents[0] if self._documents else None

    def _document(self, event: Any, at: Position) -> bool:
        if event.version or event.tags:
            self._fault(at, "directives are not used here: delete this line")
        if self._documents:
            self._fault(at, "a second document begins here: one file holds one document")
            return False
        return True

    def _refuse_alias(self, name: str, at: Position) -> None:
        if self._keys and isinstance(self._keys[-1], Unusable):
            return  # the value of a merge key, which has been refused
        self._fault(at, f"aliases are not used here: write `{name}` out, or quote text that begins with `*`")

    def _refuse_decorations(self, event: Any, at: Position) -> None:
        before = self._tree.lines[at.line - 1][: at.column - 1]
        if "\t" in before and not before.strip() and at.line not in self._tabs_seen:
            self._tabs_seen.add(at.line)
            self._fault(Position(at.line, before.index("\t") + 1), "a tab in the indentation: use spaces")
        if event.anchor:
            self._fault(at, f"anchors are not used here: delete `&{event.anchor}`, or quote text that begins with `&`")
        if event.tag:
            self._fault(at, "tags are not used here: delete the `!…`, or quote text that begins with `!`")

    def _add(self, node: Node) -> None:
        """Put a finished or opening node where it belongs: document, list item, key or value."""
        if not self._open:
            self._documents.append(node)
        elif isinstance(parent := self._open[-1], Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = self._as_key(parent, node)
        else:
            self._set(parent, self._keys[-1], node)
            self._keys[-1] = None
        if isinstance(node, Mapping | Sequence):
            self._open.append(node)
            self._keys.append(None)

    def _as_key(self, parent: Mapping, node: Node) -> Scalar | Unusable:
        """The key, or Unusable for one that was refused and whose value is dropped with it."""
        fault = _key_fault(node) or self._joined(node)
        if not fault and isinstance(node, Scalar):
            if (first := parent.entries.get(node.source)) is None:
                return node
            fault = f"the key `{node.source}` is already on line {first.key_at.line}"
        else:
            parent.incomplete = True
        if fault:
            self._fault(node.at, fault)
        return Unusable(node.at)

    def _joined(self, node: Node) -> str:
        """`-id: x` is a key to YAML; nobody means one that begins so."""
        line = self._tree.lines[node.at.line - self._tree.first_line]
        found = JOINED.match(line)
        return NO_SPACE if found and found.start(1) == node.at.column - 1 else ""

    def _set(self, parent: Mapping, key: Scalar | Unusable, node: Node) -> None:
        if isinstance(key, Scalar):
            parent.entries[key.source] = Entry(key.at, node)

    def _fault(self, at: Position, message: str) -> None:
        self._tree.problems.append(self._tree.problem(at, message))


def _node(event: Any, at: Position) -> Node:
    if isinstance(event, yaml.ScalarEvent):
        unquoted = event.implicit[0]
        return Scalar(at, read_plain(event.value) if unquoted else event.value, event.value)
    return Mapping(at) if isinstance(event, yaml.MappingStartEvent) else Sequence(at)


def _key_fault(node: Node) -> str:
    """Why `node` cannot be a key; empty if it can, or if that has been said already."""
    if isinstance(node, Unusable):
        return ""
    if not isinstance(node, Scalar):
        return "a key must be text; a value that begins with `{` or `[`, such as `{{ name }}`, needs quotes"
    if node.value is None and not node.source:
        return "a key is missing before the `:`"
    if node.source == "<<" and isinstance(node.value, str):
        return "merge keys are not used here: write the keys out"
    if isinstance(node.value, str):
        return ""
    return f'the unquoted key `{node.source}` may be read as {_reading(node.value)}: put it in quotes: "{node.source}"'


def _reading(value: ScalarValue) -> str:
    if isinstance(value, Ambiguous):
        return value.reading
    if value is None:
        return "null"
    return "a boolean" if isinstance(value, bool) else "a number"
