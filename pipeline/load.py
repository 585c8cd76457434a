"""Run file + flags -> RunConfig. Precedence: default < YAML < flag."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from constitution.errors import ConfigError, Problem
from constitution.files import read_text
from constitution.kinds import constitution_for_run_file
from constitution.load import validate_tree
from constitution.nodes import Mapping as NodeMapping
from constitution.nodes import Node, Tree
from constitution.strict_yaml import MAX_BYTES, parse_yaml
from pipeline.config import RunConfig
from pipeline.flags import with_flags

_NAMED = re.compile(r"`([\w.-]+)` is `")
"""How pipeline/config.py begins to say that a table has no entry of a name, or an unfit one."""


def load_run(path: Path, flags: Mapping[str, object], settings: Sequence[str] = ()) -> RunConfig:
    """The run file with flags on top.

    `flags` are top-level fields (None means not given); `settings` are `dotted.name=value`, the value read as YAML, as
    strictly as the file. Raises ConfigError naming the file's line, or, where the file has no fault, the flag.
    """
    tree = parse_yaml(read_text(path, MAX_BYTES), str(path))
    if other := constitution_for_run_file(tree):
        raise ConfigError([other])
    config = _validated(tree, tree)
    given = {name: value for name, value in flags.items() if value is not None}
    if not given and not settings:
        return config
    flagged = with_flags(tree, given, settings)
    try:
        return _validated(flagged.tree, tree)
    except ConfigError as error:
        raise ConfigError([flagged.place(problem) for problem in error.problems]) from error


def _validated(tree: Tree, file: Tree) -> RunConfig:
    """The run that a tree says, `file` being the run file's own. Raises as `validate_tree`, a name that there is no
    entry of at the name."""
    try:
        return validate_tree(tree, RunConfig)
    except ConfigError as error:
        raise ConfigError([_at_the_name(tree, file, problem) for problem in error.problems]) from error


def _at_the_name(tree: Tree, file: Tree, problem: Problem) -> Problem:
    """A fault of all settings together that begins with one's name and value: at that value. Where no flag gave it, but
    flags are at fault, at the table that has no such entry, which a flag has changed."""
    named, root = _NAMED.match(problem.message), tree.root
    if named is None or root is None or (problem.line, problem.column) != (root.at.line, root.at.column):
        return problem
    path = named[1].split(".")
    places = [_node(root, keys) for keys in (path, ["engines" if path[-1] == "engine" else "judges"])]
    found = [node.at for node in places if node is not None]
    behind = [at for at in found if at.line > len(file.lines)]
    return next((tree.problem(at, problem.message) for at in (*behind, *found)), problem)


def _node(root: Node, path: Sequence[str]) -> Node | None:
    """What stands under these nested keys."""
    for key in path:
        if not isinstance(root, NodeMapping) or key not in root.entries:
            return None
        root = root.entries[key].node
    return root


def executor_settings(name: str | None) -> list[str]:
    """The flag `--executor` as settings: `ray` keeps what the run file says of Ray. Raises ConfigError."""
    known = {None: [], "local": ["executor={type: local}"], "ray": ["executor.type=ray"]}
    if name not in known:
        raise ConfigError([Problem("--executor", 0, 1, f"`{name}` is no executor: `local` or `ray` was expected")])
    return known[name]
