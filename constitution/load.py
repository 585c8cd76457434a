"""Strictly loaded YAML: a file either becomes the model that was asked for, or one ConfigError with all of its faults.

    constitution = load_constitution(Path("examples/plain-speech/constitution.yaml"))

Nothing is coerced but whole numbers to floats: `weight: "2"` is an error that says to take the quotes away.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from constitution.errors import ConfigError, DataError, Problem
from constitution.explain import explain
from constitution.extend import Written, overlay, principle_order, written
from constitution.files import RecordT, read_text
from constitution.kinds import run_file_for_constitution
from constitution.model import Constitution, ConstitutionFile
from constitution.nodes import Mapping, Scalar, Sequence, Tree, Unusable, plain
from constitution.places import locate
from constitution.record import Record
from constitution.repeated import with_unique_ids
from constitution.strict_yaml import MAX_BYTES, parse_yaml

MAX_FILES = 16
"""Files that may extend one another."""


def load_yaml(path: Path, model: type[RecordT]) -> RecordT:
    """The file as a `model`; its sequences must be tuples.

    Raises DataError if the file is missing, a folder, unreadable or too large; ConfigError with every fault in it.
    """
    return validate_tree(parse_yaml(read_text(path, MAX_BYTES), str(path)), model)


def load_constitution(path: Path) -> Constitution:
    """The constitution that a YAML file says, with what it `extends`. Raises as `load_yaml`."""
    return read_constitution(path).constitution


def read_constitution(path: Path) -> Written:
    """The same with the place of each of its parts. Raises as `load_yaml`; where an extended file is missing or extends
    one that extends it, the error stands at the `extends` that names it."""
    return _read(path, read_text(path, MAX_BYTES), ())


def _read(path: Path, text: str, below: tuple[str, ...]) -> Written:
    """`below`: the real paths of the files that extend this one."""
    tree = parse_yaml(text, str(path))
    if other := run_file_for_constitution(tree):
        raise ConfigError([other])
    try:
        parent = _parent(tree, path, (*below, os.path.realpath(path))) if tree.root else None
    except ConfigError as error:
        raise _with_own_faults(tree, error) from error
    merged = overlay(tree, parent) if parent else tree
    file = validate_tree(merged, ConstitutionFile)
    assert tree.root is not None
    return written(tree, file.resolved(principle_order(tree.root, parent)), parent)


def _parent(tree: Tree, path: Path, below: tuple[str, ...]) -> Written | None:
    """The extended constitution. None where none is named, or where what is named is no text: validation says so."""
    assert tree.root is not None
    entry = tree.root.entries.get("extends")
    if entry is None:
        return None
    name = entry.node.value if isinstance(entry.node, Scalar) else None
    if not isinstance(name, str) or not name:
        _expect_less(tree.root)
        return None
    parent = path.parent / name
    try:
        text = read_text(parent, MAX_BYTES)
    except DataError as error:
        raise ConfigError([tree.problem(entry.node.at, f"`extends`: {error}")]) from error
    if (real := os.path.realpath(parent)) in below:
        circle = " -> ".join(os.path.basename(file) for file in (*below[below.index(real) :], real))
        raise ConfigError([tree.problem(entry.node.at, f"`extends` goes round in a circle: {circle}")])
    if len(below) >= MAX_FILES:
        raise ConfigError([tree.problem(entry.node.at, f"`extends`: more than {MAX_FILES} files on top of each other")])
    return _read(parent, text, below)


def _with_own_faults(tree: Tree, error: ConfigError) -> ConfigError:
    """The faults of what `tree` extends, or of its `extends`, and all others that can be seen in it alone."""
    assert tree.root is not None
    _expect_less(tree.root)
    elsewhere = [problem for problem in error.problems if problem.file != tree.file]
    own = [problem for problem in error.problems if problem.file == tree.file]
    found = _checked(tree._replace(problems=[*tree.problems, *own]), ConstitutionFile)
    return ConfigError([*(found if isinstance(found, list) else []), *elsewhere])


def _expect_less(root: Mapping) -> None:
    """What is missing here may stand in the file that could not be read, so that nothing is said of it."""
    root.incomplete = True
    principles = root.entries.get("principles")
    if principles is None or not isinstance(principles.node, Sequence):
        return
    for item in principles.node.items:
        if isinstance(item, Mapping):
            item.incomplete = True
    if not principles.node.items:
        root.entries["principles"] = principles._replace(node=Unusable(principles.node.at))


def validate_tree(tree: Tree, model: type[RecordT]) -> RecordT:
    """The record that a tree says. Raises ConfigError with the tree's problems and the model's, in the file's order."""
    found = _checked(tree, model)
    if isinstance(found, list):
        raise ConfigError(found)
    return found


def _checked(tree: Tree, model: type[RecordT]) -> RecordT | list[Problem]:
    """The record that a tree says, or the tree's problems and the model's, in the file's order."""
    if tree.root is not None and issubclass(model, Constitution):
        tree = with_unique_ids(tree, tree.root)
    problems = list(tree.problems)
    if tree.root is not None:
        try:
            record = model.model_validate(plain(tree.root), strict=True)
        except ValidationError as error:
            problems += explain(error, tree, model)
        else:
            if not problems:
                return record
    return _in_order(problems)


def problem_at(path: Path, model: type[Record], keys: tuple[str, ...], message: str) -> Problem:
    """A fault at the value of these nested keys of a file that is a `model`; at the flag where the file has none."""
    tree = parse_yaml(read_text(path, MAX_BYTES), str(path))
    assert tree.root is not None, "a file that has been loaded"
    place = locate(tree.root, model, keys)
    return tree.problem(place.node.at, message) if place.node else Problem(f"--set {'.'.join(keys)}", 0, 1, message)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By line and column, what the syntax says first; one problem a place is enough."""
    places: dict[tuple[int, int], Problem] = {}
    for problem in problems:
        places.setdefault((problem.line, problem.column), problem)
    return [places[place] for place in sorted(places)]
