"""What every check of constitution/checks.py measures, exactly, and the vote that two scores make.

A score is a plain number, higher is better; `rule_logit` turns the difference of two into a logit. Equal scores give
logit 0, which is a valid vote without preference.

A pattern is searched in the first SEARCHED_CHARS characters only. That bounds the time of any pattern that is
polynomial in the text; a pattern with nested repeats, such as (a+)+b, can still take exponential time, and Python's
`re` cannot be interrupted: such patterns are the constitution's author's to avoid.
"""

from __future__ import annotations

import re

from constitution.checks import (
    Check,
    ListsCheck,
    OverlapCheck,
    PatternCheck,
    RepetitionCheck,
    SentencesCheck,
    WordsCheck,
)

RULES_VERSION = 1
SEARCHED_CHARS = 10_000

_LIST_LINE = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)]|#{1,6})\s+\S")
_WORD = re.compile(r"[^\W\d_]{4,}")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s|$)|\n\s*\n")
_FINISHED = re.compile(r"[.!?…][\"'”’)\]*_]*\Z")
_SUFFIXES = ("ing", "ed", "es", "s", "e")
_STOP_WORDS = frozenset(
    """
    about after again also although always among another because been before being between both cannot come could does
    doing done each either else even ever every explain from give goes have having here into just know like made make
    many more most much must need only other over please same shall should show since some such take tell than that
    their them then there these they thing this those through under until upon very want well were what when where
    whether which while will with within without would write your yours yourself
    """.split()  # noqa: SIM905
)


def score(check: Check, prompt_text: str, response_text: str) -> float:
    """How well one response does by `check`; higher is better. `prompt_text` is the user's last turn."""
    if isinstance(check, WordsCheck):
        return score_words(check, response_text)
    if isinstance(check, ListsCheck):
        return score_lists(response_text)
    if isinstance(check, PatternCheck):
        return score_pattern(check, response_text)
    if isinstance(check, OverlapCheck):
        return score_overlap(prompt_text, response_text)
    if isinstance(check, RepetitionCheck):
        return score_repetition(check, response_text)
    return score_sentences(check, response_text)


def rule_logit(check: Check, prompt_text: str, first: str, second: str, confidence: float) -> float:
    """confidence * clip((score(first) - score(second)) / scale, -1, 1): positive when `first` is better."""
    difference = score(check, prompt_text, first) - score(check, prompt_text, second)
    return confidence * max(-1.0, min(1.0, difference / check.scale))


def score_words(check: WordsCheck, text: str) -> float:
    """Minus the words missing to `min` or beyond `max`; a word is a whitespace-separated token."""
    n = len(text.split())
    return -float(max(0, check.min - n) + max(0, n - check.max))


def score_lists(text: str) -> float:
    """Minus the lines that open with -, *, •, `1.`, `1)` or #s, then a space and something more; indented or not.

    `**bold**` and `-5` at the start of a line are no list items, and neither is a rule such as `---`.
    """
    return -float(sum(_LIST_LINE.match(line) is not None for line in text.splitlines()))


def score_pattern(check: PatternCheck, text: str) -> float:
    """Minus (`want: present`: plus) the non-empty, non-overlapping matches, case ignored; `^` is the start of the text.

    With `per_word`, matches per 100 words of the text that was searched.
    """
    searched = text[: min(check.opening or SEARCHED_CHARS, SEARCHED_CHARS)]
    found = sum(match.end() > match.start() for match in re.finditer(check.pattern, searched, re.IGNORECASE))
    amount = 100 * found / max(1, len(searched.split())) if check.per_word else float(found)
    return amount if check.want == "present" else 0.0 - amount


def score_overlap(prompt_text: str, text: str) -> float:
    """Share of the question's distinct content stems that occur in the response; 0 when the question has none.

    Content words: runs of at least 4 letters, lower-cased, not in the stop list. Stem: see `stem`.
    """
    asked = content_stems(prompt_text)
    return len(asked & content_stems(text)) / len(asked) if asked else 0.0


def content_stems(text: str) -> frozenset[str]:
    """The stems of a text's content words."""
    return frozenset(stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS)


def stem(word: str) -> str:
    """Without the first of -ing, -ed, -es, -s (not -ss), -e that leaves 3 letters: bakes, baked, bake -> bak."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not (suffix == "s" and word.endswith("ss")):
            return word[: -len(suffix)]
    return word


def score_repetition(check: RepetitionCheck, text: str) -> float:
    """Distinct-n: distinct n-grams over all n-grams of lower-cased words; 1 when there are fewer than n words."""
    words = text.lower().split()
    grams = [tuple(words[i : i + check.n]) for i in range(len(words) - check.n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def score_sentences(check: SentencesCheck, text: str) -> float:
    """finished - max(0, mean words a sentence - max_words), in words.

    A sentence ends at a run of . ! ? or … (closing quotes and brackets included) before whitespace or the end, and at a
    blank line; what is left at the end is a sentence too. `finished` is 1 if the text ends with such a mark, else 0. An
    empty text scores 0.
    """
    text = text.strip()
    lengths = [n for part in _SENTENCE_END.split(text) if (n := len(part.split()))]
    if not lengths:
        return 0.0
    mean = sum(lengths) / len(lengths)
    return float(_FINISHED.search(text) is not None) - max(0.0, mean - check.max_words)
