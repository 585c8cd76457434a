"""Who votes on which principle: the run's judge, or the entry of `judges` that the principle's source stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from constitution.errors import ConfigError, Problem, harmless
from constitution.files import read_text
from constitution.model import Constitution, Principle
from constitution.nodes import Mapping as MappingNode
from constitution.nodes import Position, Sequence, Tree
from constitution.strict_yaml import parse_yaml
from judge.interface import Judge
from judge.panel import Panel


def check_sources(constitution: Constitution, sources: Mapping[str, str], path: Path) -> None:
    """Raise ConfigError at every `source` of the constitution file that the run file does not map to a judge."""
    unmapped = [i for i, p in enumerate(constitution.principles) if p.source is not None and p.source not in sources]
    if unmapped:
        tree = parse_yaml(read_text(path), str(path))
        raise ConfigError([_unmapped(tree, i, constitution.principles[i], sources) for i in unmapped])


def _unmapped(tree: Tree, index: int, principle: Principle, sources: Mapping[str, str]) -> Problem:
    known = ", ".join(f"`{harmless(role)}`" for role in sorted(sources)) or "none"
    return tree.problem(
        _source_at(tree, index),
        f"principle `{principle.id}` is voted on by `{principle.source}`, but the run file does not say who that is "
        f"(roles there: {known}): add `sources: {{{principle.source}: NAME}}` to it, NAME being an entry of its "
        "`judges`, or take `source` away",
    )


def _source_at(tree: Tree, index: int) -> Position:
    """Where the `source` of the index-th principle stands; the file was loaded, so it has its shape."""
    assert tree.root is not None
    principles = tree.root.entries["principles"].node
    assert isinstance(principles, Sequence)
    principle = principles.items[index]
    assert isinstance(principle, MappingNode)
    return principle.entries["source"].node.at


def open_panel(
    name: str, constitution: Constitution, sources: Mapping[str, str], opened: Callable[[str, Constitution], Judge]
) -> Judge:
    """The judge called `name` and, beside it, those that the principles' sources name; one judge where none does.

    `opened(entry, part)` opens an entry of `judges` for the part of the constitution that it votes on.
    """
    entries = {p.id: sources[p.source] if p.source else name for p in constitution.principles}
    if set(entries.values()) == {name}:
        return opened(name, constitution)
    judges = {entry: opened(entry, _part(constitution, entries, entry)) for entry in dict.fromkeys(entries.values())}
    return Panel(name, {principle: judges[entry] for principle, entry in entries.items()})


def _part(constitution: Constitution, entries: Mapping[str, str], entry: str) -> Constitution:
    """The principles of one entry; unlike a constitution of its own, it may consist of weight 0 only."""
    mine = tuple(p for p in constitution.principles if entries[p.id] == entry)
    return constitution.model_copy(update={"principles": mine})
