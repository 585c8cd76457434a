"""Run file + flags -> RunConfig. Precedence: default < YAML < flag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from constitution.errors import ConfigError, Problem
from constitution.load import load_yaml
from pipeline.config import RunConfig


def load_run(path: Path, flags: Mapping[str, object], settings: Sequence[str] = ()) -> RunConfig:
    """The run file with flags on top.

    `flags` are top-level fields (None means not given); `settings` are `dotted.name=value`, the value read as YAML.
    Raises ConfigError naming the file's line, or the flag.
    """
    config = load_yaml(path, RunConfig)
    tree = config.model_dump(mode="json", exclude_unset=True)
    given = {name: value for name, value in flags.items() if value is not None}
    for name, value in given.items():
        tree[name] = value
    for setting in settings:
        _apply(tree, setting)
    if not given and not settings:
        return config
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError([_flag_problem(dict(e), settings, config) for e in error.errors()]) from error


def executor_settings(name: str | None) -> list[str]:
    """The flag `--executor` as settings: `ray` keeps what the run file says of Ray. Raises ConfigError."""
    known = {None: [], "local": ["executor={type: local}"], "ray": ["executor.type=ray"]}
    if name not in known:
        raise ConfigError([Problem("--executor", 1, 1, f"`{name}` is no executor: `local` or `ray` was expected")])
    return known[name]


def _apply(tree: dict[str, Any], setting: str) -> None:
    name, separator, text = setting.partition("=")
    if not separator:
        raise ConfigError([Problem("--set", 1, 1, f"`{setting}` must look like train.beta=0.2")])
    *parents, last = name.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError([Problem("--set", 1, 1, f"`{parent}` in `{setting}` is not a group of settings")])
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([Problem("--set", 1, 1, f"`{text}` cannot be read as a YAML value")]) from error


def _flag_problem(error: dict[str, Any], settings: Sequence[str], written: RunConfig) -> Problem:
    where = ".".join(str(part) for part in error["loc"]) or "the run file with its flags"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"no such setting{_did_you_mean(error['loc'])}"
    elif error["type"] == "union_tag_not_found":
        message = _without_kind(error, written)
    return Problem("--set" if settings else "flags", 1, 1, f"{where}: {message}")


def _without_kind(error: dict[str, Any], written: RunConfig) -> str:
    """What is missing where one of several kinds of entry is meant: mostly the name of an existing entry."""
    missing = f"the key `{error['ctx']['discriminator'].strip(chr(39))}` is missing"
    table = getattr(written, str(error["loc"][0]), None)
    if not isinstance(table, dict) or error["loc"][-1] in table:
        return missing
    return f"the run file has no such entry (it has: {', '.join(sorted(table))}), and in a new one {missing}"


def _did_you_mean(location: Sequence[str | int]) -> str:
    """A hint from every field name in the run file's schema; the nearest name is right."""
    schema = RunConfig.model_json_schema()
    names = {n for part in [schema, *schema["$defs"].values()] for n in part.get("properties", {})}
    close = get_close_matches(str(location[-1]), sorted(names), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
