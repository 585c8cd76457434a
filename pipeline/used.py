"""What a stage used of a run's settings: kept in its stamp, so that the folder knows what its files were made with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field, JsonValue

from constitution.model import Constitution
from constitution.record import Record
from generate.engine import ModelRef
from judge.settings import LlmJudge
from pipeline.config import RunConfig

TABLES = ("prompts", "generate", "judges", "engines")
"""Settings that a stage may use a part of."""


class Used(Record):
    """Settings as they were when a stage was done."""

    config: dict[str, JsonValue]
    """Those that its outputs depend on, by name; of TABLES, the entries that they depend on."""
    constitution: Constitution | None = None
    """The constitution, where it is one of them."""
    model: ModelRef | None = None
    """The policy before training, where it is one of them."""
    versions: dict[str, str] = Field(default={})
    """Package -> version."""


def settings_of(
    config: RunConfig, *names: str, judges: Iterable[str] = (), **parts: Iterable[str]
) -> dict[str, JsonValue]:
    """The settings of these names; of the tables in `parts`, and of `judges`, these entries, with the engines that the
    judges run on."""
    entries = {name: config.judges[name] for name in judges}
    engines = [entry.engine for entry in entries.values() if isinstance(entry, LlmJudge)]
    everything = config.model_dump(mode="json")
    found = {name: everything[name] for name in names}
    wanted = {**parts, "judges": entries, "engines": [*parts.get("engines", ()), *engines]}
    for table, chosen in wanted.items():
        if part := {name: everything[table][name] for name in sorted(chosen)}:
            found[table] = part
    return found


def voters(config: RunConfig) -> list[str]:
    """The entries of `judges` whose votes become labels."""
    return [config.judge, *config.sources.values()]


def overlaid(under: Mapping[str, JsonValue], over: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`under` with the settings of `over` in place of its own; of TABLES, entry by entry."""
    found = {**under, **over}
    for table in TABLES:
        old, new = under.get(table), over.get(table)
        if isinstance(old, dict) and isinstance(new, dict):
            found[table] = {**old, **new}
    return found


def differences(
    these: Mapping[str, JsonValue], others: Mapping[str, JsonValue], within: str = ""
) -> dict[str, JsonValue]:
    """Dotted name -> value of what is in `these` and is not the same in `others`."""
    found: dict[str, JsonValue] = {}
    for key, value in these.items():
        other = others.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            found |= differences(value, other, f"{within}{key}.")
        elif value != other:
            found[within + key] = value
    return found
