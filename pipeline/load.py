"""Run file + flags -> RunConfig. Precedence: default < YAML < flag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from constitution.errors import ConfigError, Problem
from constitution.files import read_text
from constitution.kinds import constitution_for_run_file
from constitution.load import validate_tree
from constitution.strict_yaml import MAX_BYTES, parse_yaml
from pipeline.config import RunConfig
from pipeline.flags import with_flags


def load_run(path: Path, flags: Mapping[str, object], settings: Sequence[str] = ()) -> RunConfig:
    """The run file with flags on top.

    `flags` are top-level fields (None means not given); `settings` are `dotted.name=value`, the value read as YAML, as
    strictly as the file. Raises ConfigError naming the file's line, or, where the file has no fault, the flag.
    """
    tree = parse_yaml(read_text(path, MAX_BYTES), str(path))
    if other := constitution_for_run_file(tree):
        raise ConfigError([other])
    config = validate_tree(tree, RunConfig)
    given = {name: value for name, value in flags.items() if value is not None}
    if not given and not settings:
        return config
    flagged = with_flags(tree, given, settings)
    try:
        return validate_tree(flagged.tree, RunConfig)
    except ConfigError as error:
        raise ConfigError([flagged.place(problem) for problem in error.problems]) from error


def executor_settings(name: str | None) -> list[str]:
    """The flag `--executor` as settings: `ray` keeps what the run file says of Ray. Raises ConfigError."""
    known = {None: [], "local": ["executor={type: local}"], "ray": ["executor.type=ray"]}
    if name not in known:
        raise ConfigError([Problem("--executor", 0, 1, f"`{name}` is no executor: `local` or `ray` was expected")])
    return known[name]
