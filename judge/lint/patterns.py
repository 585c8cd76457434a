"""Checks that are valid and can tell no answer from another, or never fully: patterns that count nothing or everything,
and differences that no two shares have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitution.checks import Check, OverlapCheck, PatternCheck, RepetitionCheck
from constitution.extend import Written
from judge.lint.finding import Finding, finding
from judge.rules import SEARCHED_CHARS

UNLIKE = ("Yes", "7", "!?", "näh")
"""Texts without a character in common: what matches each of them whole looks at nothing."""


def senseless_checks(written: Written) -> Iterator[Finding]:
    """At most one warning a principle, at its check."""
    for principle in written.constitution.principles:
        if principle.check is not None and (why := _why(principle.check)):
            yield finding(written, "senseless-check", principle.id, "check", why)


def _why(check: Check) -> str:
    if isinstance(check, PatternCheck):
        return _why_pattern(check)
    if isinstance(check, (OverlapCheck, RepetitionCheck)) and check.scale > 1:
        return (
            f"its score is a share, from 0 to 1, so that no two answers differ by its `scale`, {check.scale:g}: a vote "
            f"has at most {1 / check.scale:.0%} of the full confidence"
        )
    return ""


def _why_pattern(check: PatternCheck) -> str:
    pattern = re.compile(check.pattern, re.IGNORECASE)
    if all(pattern.fullmatch(text) for text in UNLIKE):
        return (
            "its pattern matches any text whatever, so that it counts lines or characters and nothing of what they say"
        )
    if pattern.fullmatch(""):
        return (
            "its pattern also matches where there is nothing; such matches are not counted, only those of a character "
            "or more: leave out what makes all of it optional"
        )
    if check.opening is not None and check.opening > SEARCHED_CHARS:
        return f"`opening` is {check.opening}, and no more than the first {SEARCHED_CHARS:,} characters are searched"
    return ""
