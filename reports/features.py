"""Plain features of one answer that need no judge: its length, its form, whether it repeats itself or refuses.

Every feature is a number of one answer; rates are shares from 0 to 1, so that their mean over answers is a rate too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from generate.records import Response

REFUSAL_WINDOW = 200
"""Characters from the start in which a refusal shows; later ones are more often about something else."""

REFUSAL_PHRASES = (
    "i can't",
    "i cannot",
    "i can not",
    "i could not",
    "i won't",
    "i will not",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i'm sorry, but",
    "i am sorry, but",
    "i apologize, but",
    "i must decline",
    "i have to decline",
    "as an ai",
    "as a language model",
    "it is not appropriate",
    "it's not appropriate",
)
"""A refusal, as far as phrases can tell: one of these near the start. It misses polite evasions, and counts an answer
such as "I can't recommend it enough"; so read its change, not its level."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LIST_LINE = re.compile(r"^\s*(?:[-*+•‣◦]\s+|\(?(?:\d{1,3}|[A-Za-z])[.)]\s+|#{1,6}\s)")
_FIRST_PERSON = re.compile(r"\b(?:I|I['’](?:m|ve|d|ll)|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself)\b")


def words_of(text: str) -> list[str]:
    """Words in lower case; hyphens and apostrophes inside a word belong to it."""
    return [word.lower() for word in _WORD.findall(text)]


def list_share(text: str) -> float:
    """The share of non-empty lines that are bullets, numbered items or headings; 0 for an empty text."""
    lines = [line for line in text.splitlines() if line.strip()]
    return sum(bool(_LIST_LINE.match(line)) for line in lines) / len(lines) if lines else 0.0


def repetition(text: str, n: int = 3) -> float:
    """The share of word n-grams that occurred before in the text: 1 - distinct-n (Li et al. 2016); 0 below n words."""
    words = words_of(text)
    grams = list(zip(*(words[start:] for start in range(n)), strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def is_refusal(text: str) -> bool:
    """Whether one of REFUSAL_PHRASES occurs in the first REFUSAL_WINDOW characters."""
    opening = text[:REFUSAL_WINDOW].lower().replace("’", "'")
    return any(phrase in opening for phrase in REFUSAL_PHRASES)


def first_person_rate(text: str) -> float:
    """Occurrences of I, me, my, mine, myself per 100 words; 0 for an empty text."""
    words = words_of(text)
    return 100.0 * len(_FIRST_PERSON.findall(text)) / len(words) if words else 0.0


class Feature(NamedTuple):
    """A feature as a report shows it. A `share` is shown in percent, a `number` as it is."""

    id: str
    label: str
    kind: Literal["share", "number"]
    measure: Callable[[Response], float]


FEATURES = (
    Feature("words", "Words", "number", lambda answer: float(len(words_of(answer.text)))),
    Feature("tokens", "Tokens", "number", lambda answer: float(answer.tokens)),
    Feature("list_share", "Lines that are list items or headings", "share", lambda answer: list_share(answer.text)),
    Feature("repetition", "Repeated three-word sequences", "share", lambda answer: repetition(answer.text)),
    Feature("refusal", "Answers that refuse", "share", lambda answer: float(is_refusal(answer.text))),
    Feature("finished", "Answers that end by themselves", "share", lambda answer: float(answer.finish == "stop")),
    Feature("first_person", "First person, per 100 words", "number", lambda answer: first_person_rate(answer.text)),
)
"""Every feature a report shows, in its order."""
