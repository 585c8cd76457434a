"""Checks: rules that verify a principle without a model. This file says what they are, judge/rules.py what they do.

Every check gives a response a score; the vote is the difference of two scores, full confidence at `scale`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from constitution.record import Record


class _Check(Record):
    scale: float = Field(default=1.0, gt=0)
    """The difference of two responses' scores that counts as full confidence."""


class WordsCheck(_Check):
    """Score: minus the number of words by which the response falls outside `min`..`max`."""

    type: Literal["words"]
    min: int = Field(default=1, ge=0)
    """A response with fewer words does not answer: each missing word costs as much as one too many."""
    max: int = Field(gt=0)
    """The longest response, in words, that is not penalised."""
    scale: float = Field(default=20.0, gt=0)
    """The difference in words that counts as full confidence."""

    @field_validator("max")
    @classmethod
    def _some_length_fits(cls, most: int, others: ValidationInfo) -> int:
        least = others.data.get("min", 0)  # absent where it has a fault of its own
        if most < least:
            raise ValueError(f"must be at least {least}, which is `min`, found the number `{most}`: no answer fits")
        return most


class ListsCheck(_Check):
    """Score: minus the number of lines that are list items, numbered items or headings."""

    type: Literal["lists"]
    scale: float = Field(default=2.0, gt=0)
    """The difference in list lines that counts as full confidence."""


class PatternCheck(_Check):
    """Score: minus (or, with `want: present`, plus) the number of matches of a regular expression."""

    type: Literal["pattern"]
    pattern: str = Field(min_length=1, max_length=2000)
    """A Python regular expression, matched without regard to case."""
    want: Literal["absent", "present"] = "absent"
    """Whether matches are a fault or a virtue."""
    opening: int | None = Field(default=None, gt=0)
    """Look only at this many characters from the start (for preambles); the whole response when omitted."""
    per_word: bool = False
    """Count matches per 100 words, so that a longer response is not penalised for its length."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class OverlapCheck(_Check):
    """Score: the share of the question's content words that the response uses, 0 to 1."""

    type: Literal["overlap"]
    scale: float = Field(default=0.5, gt=0)
    """The difference in share that counts as full confidence."""


class RepetitionCheck(_Check):
    """Score: the share of distinct word `n`-grams in the response, 0 to 1 (distinct-n)."""

    type: Literal["repetition"]
    n: int = Field(default=3, ge=1, le=8)
    """The length of the n-grams."""
    scale: float = Field(default=0.2, gt=0)
    """The difference in share that counts as full confidence."""


class SentencesCheck(_Check):
    """Score: 1 if the response ends with a finished sentence, else 0; minus mean sentence length over `max_words`."""

    type: Literal["sentences"]
    max_words: int = Field(default=20, gt=0)
    """Words a sentence may have on average before it counts as long."""
    scale: float = Field(default=10.0, gt=0)
    """The difference in words per sentence that counts as full confidence."""


Check = Annotated[
    WordsCheck | ListsCheck | PatternCheck | OverlapCheck | RepetitionCheck | SentencesCheck,
    Field(discriminator="type"),
]
