"""Strictly loaded YAML: a file either becomes the model that was asked for, or one ConfigError with all of its faults.

    constitution = load_constitution(Path("examples/plain-speech/constitution.yaml"))

Nothing is coerced but whole numbers to floats: `weight: "2"` is an error that says to take the quotes away.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from constitution.errors import ConfigError, Problem
from constitution.explain import explain
from constitution.files import RecordT, read_text
from constitution.model import Constitution
from constitution.nodes import Tree, plain
from constitution.strict_yaml import MAX_BYTES, parse_yaml


def load_yaml(path: Path, model: type[RecordT]) -> RecordT:
    """The file as a `model`; its sequences must be tuples.

    Raises DataError if the file is missing, a folder, unreadable or too large; ConfigError with every fault in it.
    """
    return validate_tree(parse_yaml(read_text(path, MAX_BYTES), str(path)), model)


def load_constitution(path: Path) -> Constitution:
    """The constitution that a YAML file says. Raises as `load_yaml`."""
    return load_yaml(path, Constitution)


def validate_tree(tree: Tree, model: type[RecordT]) -> RecordT:
    """The record that a tree says. Raises ConfigError with the tree's problems and the model's, in the file's order."""
    problems = list(tree.problems)
    if tree.root is not None:
        try:
            record = model.model_validate(plain(tree.root), strict=True)
        except ValidationError as error:
            problems += explain(error, tree, model)
        else:
            if not problems:
                return record
    raise ConfigError(_in_order(problems))


def _in_order(problems: list[Problem]) -> list[Problem]:
    """By line and column, what the syntax says first; one problem a place is enough."""
    places: dict[tuple[int, int], Problem] = {}
    for problem in problems:
        places.setdefault((problem.line, problem.column), problem)
    return [places[place] for place in sorted(places)]
