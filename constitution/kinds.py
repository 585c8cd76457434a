"""One kind of YAML file given where the other is expected: one sentence, instead of every key that the other lacks."""

from __future__ import annotations

from pathlib import Path

from constitution.errors import LONGEST_PATH, Problem
from constitution.nodes import Entry, Scalar, Tree

_OF_A_RUN = {"prompts", "pairs", "model"}
_OF_A_CONSTITUTION = {"principles", "extends", "aggregation"}


def run_file_for_constitution(tree: Tree) -> Problem | None:
    """What to say where a constitution is expected, of a run file, at the constitution that it names."""
    entries = _entries(tree)
    if "constitution" not in entries or not _OF_A_RUN & entries.keys() or _OF_A_CONSTITUTION & entries.keys():
        return None
    node = entries["constitution"].node
    named = node.value if isinstance(node, Scalar) else None
    short = isinstance(named, str) and len(named) <= LONGEST_PATH
    meant = Path(tree.file).parent / str(named) if short else "the one that it names"
    return tree.problem(node.at, f"this is a run file, a constitution was expected: give {meant} instead")


def constitution_for_run_file(tree: Tree) -> Problem | None:
    """What to say where a run file is expected, of a constitution."""
    entries = _entries(tree)
    of_it = [entry for key, entry in entries.items() if key in _OF_A_CONSTITUTION]
    if not of_it or {"constitution", *_OF_A_RUN} & entries.keys():
        return None
    message = "this is a constitution, a run file was expected: give the run file that names it under `constitution:`"
    return tree.problem(of_it[0].key_at, message)


def _entries(tree: Tree) -> dict[str, Entry]:
    return tree.root.entries if tree.root else {}
