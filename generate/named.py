"""The place in a run file that names what could not be used: a missing file, an unknown model.

Who finds the fault knows the path only, and long after the file was read; `named_in` looks the path up in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from constitution.errors import ConfigError, DataError, ModelError, PreceptorError, Problem
from constitution.files import read_text
from constitution.nodes import Mapping, Node, Scalar, Sequence
from constitution.strict_yaml import MAX_BYTES, parse_yaml


class Named(NamedTuple):
    """A text of the file and the keys that lead to it: `prompts.train`."""

    keys: str
    node: Scalar


@contextmanager
def named_in(run_file: Path) -> Iterator[None]:
    """A DataError or ModelError about something that the run file names becomes a ConfigError at that line and column.

    What a flag names instead is not in the file, and its error stays as it is.
    """
    try:
        yield
    except (DataError, ModelError) as error:
        if (problem := _problem(run_file, error)) is None:
            raise
        raise ConfigError([problem]) from error


def _problem(run_file: Path, error: PreceptorError) -> Problem | None:
    if error.about is None:
        return None
    try:
        tree = parse_yaml(read_text(run_file, MAX_BYTES), str(run_file))
    except PreceptorError:
        return None
    base = run_file.resolve().parent
    for named in _texts(tree.root, ()) if tree.root else ():
        text = named.node.source
        there = str(base / text)
        if error.about in (text, there):
            said = str(error).replace(there, os.path.normpath(run_file.parent / text))
            return tree.problem(named.node.at, f"`{named.keys}`: {said}")
    return None


def _texts(node: Node, keys: tuple[str, ...]) -> Iterator[Named]:
    """Every text of the file, in its order."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
        yield Named(".".join(keys), node)
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield from _texts(entry.node, (*keys, key))
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _texts(item, keys)
