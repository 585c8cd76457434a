"""An id that two principles of a file have: a fault of its own, at the second, whatever else is wrong in the file.

The model finds it as well, but only where each principle alone has no fault.
"""

from __future__ import annotations

from constitution.errors import Problem
from constitution.extend import id_of
from constitution.nodes import Entry, Mapping, Node, Sequence, Tree, Unusable
from constitution.wording import code


def with_unique_ids(tree: Tree, root: Mapping) -> Tree:
    """The tree with a problem for every repeated id, which is then none any more."""
    entry = root.entries.get("principles")
    if entry is None or not isinstance(entry.node, Sequence):
        return tree
    problems: list[Problem] = []
    principles = Sequence(entry.node.at, _marked(tree, entry.node.items, problems, "extends" in root.entries))
    entries = {**root.entries, "principles": entry._replace(node=principles)}
    return tree._replace(root=Mapping(root.at, entries, root.incomplete), problems=[*tree.problems, *problems])


def _marked(tree: Tree, items: list[Node], problems: list[Problem], extends: bool) -> list[Node]:
    first: dict[str, int] = {}
    marked: list[Node] = []
    for item in items:
        name = id_of(item)
        if isinstance(item, Mapping) and name and name.source in first:
            said = f"`id`: {code(name.source)} is already on line {first[name.source]}, and ids must be unique"
            problems.append(tree.problem(name.at, said))
            item = _without_id(item, extends)
        elif name:
            first[name.source] = name.at.line
        marked.append(item)
    return marked


def _without_id(item: Mapping, extends: bool) -> Mapping:
    """With `extends`, what it lacks may have been meant to come from the other file."""
    entries = {**item.entries, "id": Entry(item.entries["id"].key_at, Unusable(item.entries["id"].node.at))}
    return Mapping(item.at, entries, item.incomplete or extends)
