"""`extends: other.yaml`: a constitution's file on top of another, merged as trees before anything is validated.

A principle of the same id is overridden field by field, another id is added, `remove` leaves out. `aggregation` is
taken whole from the file that has it; `name` and `description` are each file's own. Every value keeps the place where
it was written, so that a fault found later still has its file, line and column.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingLike
from typing import NamedTuple, TypeAlias

from constitution.errors import Problem
from constitution.explain import closest
from constitution.model import Constitution
from constitution.nodes import Entry, Mapping, Node, Position, Scalar, Sequence, Tree
from constitution.wording import code, listed

ITSELF = ""
"""The name under which a principle's own beginning is kept among its fields' places."""


class Spot(NamedTuple):
    """A place in one of the files."""

    tree: Tree
    at: Position

    def problem(self, message: str) -> Problem:
        """Something to say about what stands there."""
        return self.tree.problem(self.at, message)


Spots: TypeAlias = dict[str, dict[str, Spot]]
"""Principle id -> field -> where its value begins."""


class Written(NamedTuple):
    """A constitution, and where each part of it is written, over all the files it is made of."""

    constitution: Constitution
    nodes: dict[str, Mapping]
    """Principle id -> all its fields, in the constitution's order."""
    aggregation: Entry | None
    spots: Spots
    rule: Spot
    """Where the aggregation rule stands; the top of the file where none is written."""
    files: tuple[str, ...]
    """The file itself, then what it extends, one after the other."""

    def problem(self, principle: str, field: str, message: str) -> Problem:
        """Something to say about a principle's field; about the principle where it does not write that field."""
        places = self.spots[principle]
        return places.get(field, places[ITSELF]).problem(message)


def overlay(child: Tree, parent: Written) -> Tree:
    """The child's tree with what it takes from its parent; its own principles first, so that their places in the list
    are those of the file. Ids that the parent does not have are among the tree's problems."""
    assert child.root is not None
    problems = list(child.problems)
    entries = dict(child.root.entries)
    if parent.aggregation is not None:
        entries.setdefault("aggregation", parent.aggregation)
    entries["principles"] = _principles(child, child.root, parent.nodes, problems)
    return child._replace(root=Mapping(child.root.at, entries, child.root.incomplete), problems=problems)


def principle_order(root: Mapping, parent: Written | None) -> list[str]:
    """Ids in the constitution's order: what is inherited, then what is new. The file has been validated."""
    removed = set(ids_in(root, "remove"))
    inherited = [i for i in (parent.nodes if parent else ()) if i not in removed]
    return list(dict.fromkeys([*inherited, *_own_principles(root)]))


def written(tree: Tree, constitution: Constitution, parent: Written | None) -> Written:
    """A validated file's constitution with the places of its parts."""
    assert tree.root is not None
    own, nodes, spots = _own_principles(tree.root), dict[str, Mapping](), Spots()
    for principle in constitution.principles:
        inherited = parent.nodes.get(principle.id) if parent else None
        mine = own.get(principle.id)
        nodes[principle.id] = _overridden(inherited, mine) if inherited and mine else mine or inherited or _absent()
        spots[principle.id] = dict(parent.spots.get(principle.id, {})) if parent else {}
        if mine:
            spots[principle.id] |= {ITSELF: Spot(tree, mine.at)}
            spots[principle.id] |= {name: Spot(tree, entry.node.at) for name, entry in mine.entries.items()}
    rule = tree.root.entries.get("aggregation")
    top = parent.rule if parent else Spot(tree, tree.root.at)
    return Written(
        constitution=constitution,
        nodes=nodes,
        aggregation=rule or (parent.aggregation if parent else None),
        spots=spots,
        rule=Spot(tree, rule.key_at) if rule else top,
        files=(tree.file, *(parent.files if parent else ())),
    )


def _absent() -> Mapping:
    raise AssertionError("a principle that no file says")


def _principles(child: Tree, root: Mapping, inherited: MappingLike[str, Mapping], problems: list[Problem]) -> Entry:
    """The merged list. Whatever is no list of mappings with an id stays as it is, for the validation to say so."""
    entry = root.entries.get("principles")
    if entry is not None and not isinstance(entry.node, Sequence):
        return entry
    listed_here = entry.node.items if entry is not None and isinstance(entry.node, Sequence) else []
    removed = _removed(child, root, inherited, problems)
    items: list[Node] = []
    seen: set[str] = set()
    for item in listed_here:
        name = id_of(item)
        base = inherited.get(name.source) if name and name.source not in seen else None
        if name and name.source in removed:
            problems.append(
                child.problem(name.at, f"{code(name.source)} is under `remove` and here: take one of them away")
            )
        if isinstance(item, Mapping) and name and base is None and name.source not in seen:
            item = _new(child, item, name, inherited, problems)
        items.append(_overridden(base, item) if base and isinstance(item, Mapping) else item)
        seen |= {name.source} if name else set()
    items += [node for i, node in inherited.items() if i not in seen and i not in removed]
    at = entry.node.at if entry else root.at
    return Entry(entry.key_at if entry else root.at, Sequence(at, items))


def _removed(child: Tree, root: Mapping, inherited: MappingLike[str, Mapping], problems: list[Problem]) -> set[str]:
    """The ids under `remove`; those that the parent does not have become problems."""
    entry = root.entries.get("remove")
    scalars = entry.node.items if entry and isinstance(entry.node, Sequence) else []
    for scalar in scalars:
        if isinstance(scalar, Scalar) and isinstance(scalar.value, str) and scalar.value not in inherited:
            problems.append(child.problem(scalar.at, f"`remove`: {_unknown(scalar.value, inherited)}"))
    return set(ids_in(root, "remove"))


def _new(
    child: Tree, item: Mapping, name: Scalar, inherited: MappingLike[str, Mapping], problems: list[Problem]
) -> Mapping:
    """A principle that the parent does not have; without a text it was probably meant to be one that it has."""
    if "text" in item.entries or item.incomplete:
        return item
    problems.append(child.problem(name.at, f"a new principle needs a `text`, and {_unknown(name.source, inherited)}"))
    return Mapping(item.at, item.entries, incomplete=True)


def _unknown(name: str, inherited: MappingLike[str, Mapping]) -> str:
    meant = closest(name, list(inherited))
    hint = f"did you mean `{meant}`" if meant else f"it has {listed(list(inherited))}"
    return f"the extended constitution has no principle {code(name)}; {hint}{'?' if meant else ''}"


def _overridden(base: Mapping, item: Mapping) -> Mapping:
    return Mapping(item.at, {**base.entries, **item.entries}, item.incomplete)


def id_of(item: Node) -> Scalar | None:
    """A principle's id, where it has one that is text."""
    entry = item.entries.get("id") if isinstance(item, Mapping) else None
    node = entry.node if entry else None
    return node if isinstance(node, Scalar) and isinstance(node.value, str) else None


def ids_in(root: Mapping, key: str) -> list[str]:
    """The texts of a list at the top of the file."""
    entry = root.entries.get(key)
    items = entry.node.items if entry and isinstance(entry.node, Sequence) else []
    return [item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]


def _own_principles(root: Mapping) -> dict[str, Mapping]:
    entry = root.entries.get("principles")
    items = entry.node.items if entry and isinstance(entry.node, Sequence) else []
    return {name.source: item for item in items if isinstance(item, Mapping) and (name := id_of(item))}
