"""Flags on top of a run file, as one tree: so that they are read and checked as strictly as the file, in its words."""

from __future__ import annotations

from collections.abc import Mapping as MappingLike
from collections.abc import Sequence as SequenceLike
from typing import NamedTuple

from constitution.errors import ConfigError, Problem
from constitution.nodes import Entry, Mapping, Node, Position, Scalar, Tree
from constitution.places import locate, models_at
from constitution.strict_yaml import parse_value
from constitution.wording import code, listed
from pipeline.config import RunConfig


class Flagged(NamedTuple):
    """A run file's tree with the flags' values in it. Their places are lines behind the file's own."""

    tree: Tree
    shown: dict[int, str]
    """Line -> the flag, or several that set parts of the same thing, as the user knows it."""
    hints: dict[Position, str]
    """What else there is to say of a fault at this place."""

    def place(self, problem: Problem) -> Problem:
        """A fault in the tree as one of the flag that caused it."""
        if problem.line not in self.shown:
            return problem
        hint = self.hints.get(Position(problem.line, problem.column), "")
        return problem._replace(file=self.shown[problem.line], line=0, message=problem.message + hint)


def with_flags(tree: Tree, flags: MappingLike[str, object], settings: SequenceLike[str]) -> Flagged:
    """The tree of a valid run file with flags on top: `flags` are top-level fields, `settings` `dotted.name=value`.

    What a flag changes a part of counts as the flag's, for the file by itself has no fault. Raises ConfigError for a
    setting that is no `name=value`, or whose name leads through a single value.
    """
    found = Flagged(tree._replace(lines=list(tree.lines), problems=[]), {}, {})
    for name, value in flags.items():
        at = _line(found, f"--{name}", str(value))
        found = _set(found, [name], at, Mapping(at) if value == {} else _scalar(at, value))
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not name or not separator:
            raise ConfigError([Problem("--set", 0, 1, f"{code(setting)} must look like train.beta=0.2")])
        indent = " " * (len(name) + 1)
        start = _line(found, f"--set {name}", f"{name}={text}".replace("\n", f"\n{indent}"))
        node = parse_value(text, found.tree, start._replace(column=len(indent) + 1))
        found = _set(found, name.split("."), start, node)
    return found


def _scalar(at: Position, value: object) -> Scalar:
    assert isinstance(value, str | int | float), "flags are text and numbers"
    return Scalar(at, value, str(value))


def _line(found: Flagged, flag: str, text: str = "") -> Position:
    """A place for the flag, with what it says as the place's line. Raises ConfigError where that is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:  # the shell's bytes that are none come as half characters
        raise ConfigError([Problem(flag.encode(errors="replace").decode(), 0, 1, "not valid UTF-8")]) from None
    first = len(found.tree.lines) + 1
    found.tree.lines.extend([*text.split("\n"), ""])  # libyaml may point just past the end
    found.shown.update(dict.fromkeys(range(first, len(found.tree.lines) + 1), flag))
    return Position(first, 1)


def _set(found: Flagged, path: SequenceLike[str], at: Position, node: Node) -> Flagged:
    root = found.tree.root
    assert root is not None, "a valid run file"
    if hint := _hint(root, path):
        found.hints[at._replace(column=at.column + len(f"{path[0]}.{path[1]}."))] = hint
    return found._replace(tree=found.tree._replace(root=_put(found, root, path, at, node)))


def _hint(root: Mapping, path: SequenceLike[str]) -> str:
    """Which entries a table has, where a flag sets a part of a new one: it was probably meant to be one of them."""
    table = root.entries[path[0]].node if path[0] in root.entries else None
    if len(path) < 3 or not isinstance(table, Mapping) or path[1] in table.entries:
        return ""
    if len(models_at(locate(root, RunConfig, path[:2]).type)) < 2:
        return ""
    return f"; the run file has no entry {code(path[1])}, only {listed(sorted(table.entries))}"


def _put(found: Flagged, below: Mapping, path: SequenceLike[str], at: Position, node: Node) -> Mapping:
    """A copy of `below` with `node` at this path; `at` is where the path is written."""
    name, *rest = path
    if rest:
        inner = below.entries[name].node if name in below.entries else Mapping(at)
        if not isinstance(inner, Mapping):
            message = f"{code(name)} is not a group of settings"
            raise ConfigError([Problem(found.shown[at.line], 0, at.column, message, found.tree.lines[at.line - 1])])
        node = _put(found, inner, rest, at._replace(column=at.column + len(name) + 1), node)
    return Mapping(_both(found, below.at, at), {**below.entries, name: Entry(at, node)}, below.incomplete)


def _both(found: Flagged, old: Position, new: Position) -> Position:
    """The place of what a flag changes: of all flags that do."""
    before, now = found.shown.get(old.line), found.shown[new.line]
    if before is None or before == now:
        return new
    return _line(found, f"{before}, {now}")
