"""Prompt files: JSON lines, one prompt each, loaded strictly; and the check that what is measured was not trained on.

{"id": "tea-1", "prompt": "How do I make tea?", "tags": ["kitchen"]}
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import ConfigError, DataError, Problem, harmless
from constitution.files import Numbered, read_numbered
from constitution.nodes import Mapping, Position, Tree
from constitution.strict_json import parse_json_line
from generate.records import Prompt

NEAR = 0.9
"""Jaccard similarity of two prompts' word sets from which they count as the same prompt in other words."""
NAMED = 10
"""Most overlaps that one message names."""


def load_prompts(path: Path) -> list[Prompt]:
    """The prompts of a JSON-lines file, in its order.

    Raises ConfigError with every fault at its line and column, ids and conversations that occur twice included;
    DataError if the file is missing, unreadable or holds no prompt.
    """
    found = read_numbered(path, Prompt)
    if not found:
        example = '{"id": "tea-1", "prompt": "How do I make tea?"}'
        raise DataError(f"{harmless(str(path))}: no prompts; expected lines such as {example}")
    trees = [parse_json_line(numbered.text, str(path), numbered.line) for numbered in found]
    problems = [problem for tree in trees for problem in tree.problems]
    problems += _repeated(found, trees, "id", lambda prompt: prompt.id)
    problems += _repeated(found, trees, "prompt", lambda prompt: prompt.key)
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    return [numbered.record for numbered in found]


def _repeated(
    found: list[Numbered[Prompt]], trees: list[Tree], field: str, identity: Callable[[Prompt], str]
) -> list[Problem]:
    """Prompts whose id or conversation an earlier line has already."""
    first: dict[str, Numbered[Prompt]] = {}
    problems: list[Problem] = []
    for numbered, tree in zip(found, trees, strict=True):
        earlier = first.setdefault(identity(numbered.record), numbered)
        if earlier is not numbered:
            what = f"the id `{numbered.record.id}`" if field == "id" else "the same conversation"
            problems.append(tree.problem(_at(tree, field), f"{what} is already on line {earlier.line}"))
    return problems


def _at(tree: Tree, field: str) -> Position:
    """Where a field's value begins; a conversation may be spelled `messages`."""
    assert isinstance(tree.root, Mapping)
    entry = tree.root.entries.get(field) or tree.root.entries["messages"]
    return entry.node.at


class Overlap(NamedTuple):
    """A held-out prompt and the training prompt it repeats; `similarity` is 1 for the same words in their order."""

    heldout: str
    train: str
    similarity: float

    def __str__(self) -> str:
        how = "is also" if self.similarity == 1 else f"shares {self.similarity:.0%} of its words with"
        return f"held-out `{self.heldout}` {how} training prompt `{self.train}`"


def check_disjoint(train: Sequence[Prompt], heldout: Sequence[Prompt]) -> None:
    """Raise DataError if held-out prompts are training prompts but for case, spaces and punctuation, or nearly so."""
    overlaps = find_overlaps(train, heldout)
    if overlaps:
        more = f"; and {len(overlaps) - NAMED} more" if len(overlaps) > NAMED else ""
        named = "; ".join(str(overlap) for overlap in overlaps[:NAMED])
        raise DataError(f"behaviour must be measured on prompts that were not trained on: {named}{more}")


def find_overlaps(train: Sequence[Prompt], heldout: Sequence[Prompt]) -> list[Overlap]:
    """For each held-out prompt the most similar training prompt, where that is at least NEAR.

    Sets with a Jaccard similarity of t or more share one of the |x| - ceil(t |x|) + 1 rarest words of either (prefix
    filtering, Chaudhuri et al. 2006), so only prompts that do are compared.
    """
    normal = {prompt.id: normalise(prompt) for prompt in train}
    frequency = Counter(word for words in normal.values() for word in set(words))
    by_word: dict[str, list[str]] = defaultdict(list)
    for name, words in normal.items():
        for word in _rarest(words, frequency):
            by_word[word].append(name)
    overlaps: list[Overlap] = []
    for prompt in heldout:
        words = normalise(prompt)
        candidates = dict.fromkeys(name for word in _rarest(words, frequency) for name in by_word.get(word, ()))
        scored = [Overlap(prompt.id, name, similarity(words, normal[name])) for name in candidates]
        overlaps += sorted((o for o in scored if o.similarity >= NEAR), key=lambda o: -o.similarity)[:1]
    return overlaps


def normalise(prompt: Prompt) -> tuple[str, ...]:
    """The conversation's words without case, spaces and punctuation; system messages, which many share, left out."""
    text = " ".join(message.content for message in prompt.conversation if message.role != "system")
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(re.findall(r"\w+", folded)) or (folded.strip(),)


def similarity(words: tuple[str, ...], others: tuple[str, ...]) -> float:
    """1 for the same sequence, else the Jaccard similarity of the sets (just below 1 where only the order differs)."""
    if words == others:
        return 1.0
    a, b = set(words), set(others)
    return min(len(a & b) / len(a | b), 0.999)


def _rarest(words: tuple[str, ...], frequency: Counter[str]) -> list[str]:
    distinct = sorted(set(words), key=lambda word: (frequency[word], word))
    return distinct[: len(distinct) - math.ceil(NEAR * len(distinct) - 1e-9) + 1]
