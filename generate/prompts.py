"""Prompts are read strictly, each once; and what is measured must not have been trained on.

{"id": "tea-1", "prompt": "How do I make tea?", "tags": ["kitchen"]}
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.errors import ConfigError, DataError, Problem, harmless
from constitution.nodes import Mapping
from constitution.scratch import SeenKeys
from constitution.strict_json import parse_json_line
from generate.record_files import Found, RecordSource
from generate.records import Prompt

NEAR = 0.9
"""Jaccard similarity of two prompts' word sets from which they count as the same prompt in other words."""
NAMED = 10
"""Most overlaps that one message names."""
NOT_TRAINED_ON = "behaviour must be measured on prompts that were not trained on"


def prompt_source(where: str | Path) -> RecordSource[Prompt]:
    """The prompts of a file, a folder or a URL, read anew whenever they are iterated."""
    return RecordSource(where, Prompt, "prompts")


class Prompts(list[Prompt]):
    """Prompts that know where they were read."""

    def __init__(self, source: RecordSource[Prompt]) -> None:
        self.source = source
        super().__init__(source)


def load_prompts(where: str | Path) -> Prompts:
    """All the prompts at once, in their order. Raises as `check_prompts` does."""
    source = prompt_source(where)
    check_prompts(source)
    return Prompts(source)


def check_prompts(source: RecordSource[Prompt]) -> int:
    """How many prompts there are. Keeps none of them.

    Raises ConfigError with every fault at its line and column, ids and conversations that occur twice included;
    DataError if a file is missing, unreadable or there is no prompt.
    """
    count, problems, twice = 0, list[Problem](), list[str]()
    with SeenKeys() as seen:
        for found in source.found():
            count += 1
            if found.text is not None:
                problems += parse_json_line(found.text, found.file, found.line).problems
            names = _names(found)
            fresh = seen.add(names)
            twice += [name for name in names if name not in fresh]
    if not count:
        example = '{"id": "tea-1", "prompt": "How do I make tea?"}'
        raise DataError(f"{harmless(source.where)}: no prompts; expected lines such as {example}", source.where)
    if twice:
        problems += _repeated(source, set(twice))
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
    return count


def _names(found: Found[Prompt]) -> list[str]:
    """What must be a prompt's own: its id, its conversation."""
    return [f"id {found.record.id}", f"prompt {found.record.key}"]


def _repeated(source: RecordSource[Prompt], twice: set[str]) -> list[Problem]:
    """Prompts whose id or conversation an earlier line has already; the source is read again to say where."""
    first: dict[str, Found[Prompt]] = {}
    problems: list[Problem] = []
    for found in source.found():
        for name in twice.intersection(_names(found)):
            earlier = first.setdefault(name, found)
            if earlier is not found:
                field = name.partition(" ")[0]
                what = f"the id `{found.record.id}`" if field == "id" else "the same conversation"
                where = f"on line {earlier.line}" + ("" if earlier.file == found.file else f" of {earlier.file}")
                problems.append(_problem(found, field, f"{what} is already {where}"))
    return problems


def _problem(found: Found[Prompt], field: str, message: str) -> Problem:
    """At the field's value; a conversation may be spelled `messages`. Rows of Parquet have no columns of text."""
    if found.text is None:
        return Problem(found.file, found.line, 1, message)
    tree = parse_json_line(found.text, found.file, found.line)
    assert isinstance(tree.root, Mapping)
    entry = tree.root.entries.get(field) or tree.root.entries["messages"]
    return tree.problem(entry.node.at, message)


class Overlap(NamedTuple):
    """A held-out prompt and the training prompt it repeats; `similarity` is 1 for the same words in their order."""

    heldout: str
    train: str
    similarity: float

    def __str__(self) -> str:
        how = "is also" if self.similarity == 1 else f"shares {self.similarity:.0%} of its words with"
        return f"held-out `{self.heldout}` {how} training prompt `{self.train}`"


def check_disjoint(train: Iterable[Prompt], heldout: Sequence[Prompt]) -> None:
    """Raise DataError if held-out prompts are training prompts but for case, spaces and punctuation, or nearly so;
    ConfigError at each of them where it is known in which file they are."""
    overlaps = find_overlaps(train, heldout)
    if overlaps and isinstance(heldout, Prompts):
        raise ConfigError(_at_their_places(overlaps, train, heldout.source))
    if overlaps:
        more = f"; and {len(overlaps) - NAMED} more" if len(overlaps) > NAMED else ""
        named = "; ".join(str(overlap) for overlap in overlaps[:NAMED])
        raise DataError(f"{NOT_TRAINED_ON}: {named}{more}")


def _at_their_places(
    overlaps: Sequence[Overlap], train: Iterable[Prompt], heldout: RecordSource[Prompt]
) -> list[Problem]:
    """At the held-out prompts; the training prompts' places are said where they were read from prompt files."""
    by_heldout = {overlap.heldout: overlap for overlap in overlaps}
    wanted = {overlap.train for overlap in overlaps}
    rows = train.found() if isinstance(train, RecordSource) else iter(())
    places = {row.record.id: f" ({row.file}:{row.line})" for row in rows if row.record.id in wanted}
    return [
        _problem(row, "prompt", f"{overlap}{places.get(overlap.train, '')}: {NOT_TRAINED_ON}; take one of them out")
        for row in heldout.found()
        if (overlap := by_heldout.get(row.record.id))
    ]


def find_overlaps(train: Iterable[Prompt], heldout: Sequence[Prompt]) -> list[Overlap]:
    """For each held-out prompt the most similar training prompt, where that is at least NEAR.

    Sets with a Jaccard similarity of t or more share one of the |x| - ceil(t |x|) + 1 first words of either, in any
    order of all words (prefix filtering, Chaudhuri et al. 2006), so only prompts that do are compared. The order is
    from the rarest held-out word on; the held-out prompts are kept, the training prompts pass by.
    """
    normal = {prompt.id: normalise(prompt) for prompt in heldout}
    frequency = Counter(word for words in normal.values() for word in set(words))
    by_word: dict[str, list[str]] = defaultdict(list)
    for name, words in normal.items():
        for word in _rarest(words, frequency):
            by_word[word].append(name)
    best: dict[str, Overlap] = {}
    for prompt in train:
        words = normalise(prompt)
        for name in {name for word in _rarest(words, frequency) for name in by_word.get(word, ())}:
            near = similarity(normal[name], words)
            if near >= NEAR and (name not in best or near > best[name].similarity):
                best[name] = Overlap(name, prompt.id, near)
    return [best[prompt.id] for prompt in heldout if prompt.id in best]


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
