"""Principles that say nearly the same, by their words alone: the cosine of their TF-IDF vectors.

A text is the counts of its words, without the commonest and without endings. A word that stands in d of n principles
weighs ln((1 + n) / (1 + d)) + 1 (the smoothed idf of scikit-learn's TfidfVectorizer), so that what all principles of a
constitution have in common ("the answer is") counts little. The same wish in other words is not found.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from constitution.extend import Written
from constitution.model import Principle
from judge.lint.finding import Finding, finding
from judge.rules import stem

NEAR = 0.7
"""Cosine from which two principles are called near-duplicates."""
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = frozenset(
    """
    a an and answer answers are as assistant at be been being by do does for from has have in is it its may model must
    of on one or reply response responses shall should so than that the them then there these they this those to was
    what when where which who will with would
    """.split()  # noqa: SIM905
)


def near_duplicates(written: Written) -> Iterator[Finding]:
    """One warning for each two principles that can meet on a prompt, at the later one's text."""
    principles = written.constitution.principles
    vectors = tf_idf([p.text for p in principles])
    for (i, one), (j, other) in combinations(enumerate(principles), 2):
        found = cosine(vectors[i], vectors[j])
        if found >= NEAR and _meet(one, other):
            yield finding(written, "near-duplicate", other.id, "text", _why(one, other, found))


def _why(one: Principle, other: Principle, found: float) -> str:
    if one.polarity != other.polarity:
        return (
            f"nearly the text of `{one.id}` (cosine {found:.2f}) with the opposite polarity: the two votes work "
            "against each other"
        )
    return (
        f"nearly the text of `{one.id}` (cosine of TF-IDF {found:.2f}, from {NEAR} on): one wish with two votes, and "
        "no trace can tell the two apart"
    )


def _meet(one: Principle, other: Principle) -> bool:
    """Whether some tag, or no tag, puts both in scope."""
    return not one.scope or not other.scope or not set(one.scope).isdisjoint(other.scope)


def tf_idf(texts: Sequence[str]) -> list[dict[str, float]]:
    """Word -> count times idf, one vector a text."""
    counts = [Counter(_words(text)) for text in texts]
    holders = Counter(word for count in counts for word in count)
    n = len(texts)
    return [{w: times * (math.log((1 + n) / (1 + holders[w])) + 1) for w, times in count.items()} for count in counts]


def cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Of the angle between two vectors; 0 where one of them is empty."""
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return math.fsum(one[word] * other[word] for word in one.keys() & other.keys()) / lengths if lengths else 0.0


def _words(text: str) -> list[str]:
    return [stem(word) for word in _WORD.findall(text.casefold()) if word not in _COMMON]
