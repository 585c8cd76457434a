"""Who votes on which principle: the run's judge, or the entry of `judges` that the principle's source stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from constitution.errors import ConfigError, Problem, harmless
from constitution.extend import Written
from constitution.model import Constitution, Principle
from judge.interface import Judge
from judge.panel import Panel


def check_sources(written: Written, sources: Mapping[str, str]) -> None:
    """Raise ConfigError at every `source` of the constitution's files that the run file does not map to a judge."""
    unmapped = [p for p in written.constitution.principles if p.source is not None and p.source not in sources]
    if unmapped:
        raise ConfigError([_unmapped(written, principle, sources) for principle in unmapped])


def _unmapped(written: Written, principle: Principle, sources: Mapping[str, str]) -> Problem:
    known = ", ".join(f"`{harmless(role)}`" for role in sorted(sources)) or "none"
    return written.problem(
        principle.id,
        "source",
        f"principle `{principle.id}` is voted on by `{principle.source}`, but the run file does not say who that is "
        f"(roles there: {known}): add `sources: {{{principle.source}: NAME}}` to it, NAME being an entry of its "
        "`judges`, or take `source` away",
    )


def open_panel(
    name: str, constitution: Constitution, sources: Mapping[str, str], opened: Callable[[str, Constitution], Judge]
) -> Judge:
    """The judge called `name` and, beside it, those that the principles' sources name; one judge where none does.

    `opened(entry, part)` opens an entry of `judges` for the part of the constitution that it votes on.
    """
    judges = {entry: opened(entry, part) for entry, part in parts_of(name, constitution, sources).items()}
    if set(judges) == {name}:
        return judges[name]
    entries = _entries(name, constitution, sources)
    return Panel(name, {principle: judges[entry] for principle, entry in entries.items()})


def parts_of(name: str, constitution: Constitution, sources: Mapping[str, str]) -> dict[str, Constitution]:
    """Entry of `judges` -> the part of the constitution that it votes on, where `name` is the run's judge."""
    entries = _entries(name, constitution, sources)
    if set(entries.values()) == {name}:
        return {name: constitution}
    return {entry: _part(constitution, entries, entry) for entry in dict.fromkeys(entries.values())}


def _entries(name: str, constitution: Constitution, sources: Mapping[str, str]) -> dict[str, str]:
    """Principle id -> the entry of `judges` that votes on it."""
    return {p.id: sources[p.source] if p.source else name for p in constitution.principles}


def _part(constitution: Constitution, entries: Mapping[str, str], entry: str) -> Constitution:
    """The principles of one entry; unlike a constitution of its own, it may consist of weight 0 only."""
    mine = tuple(p for p in constitution.principles if entries[p.id] == entry)
    return constitution.model_copy(update={"principles": mine})
