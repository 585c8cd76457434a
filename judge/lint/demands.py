"""Two demands in one sentence, by a few patterns that hardly ever mean anything else.

What they do not find may still be two demands: "starts with its content and has no stock phrases" passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitution.errors import harmless
from constitution.extend import Written
from constitution.wording import code
from judge.lint.finding import Finding, finding

_DUTY = r"(?:must|should|shall|has to|have to|needs? to)"
_LINKED = r"(?:it|they|the (?:answer|response|reply|assistant|model))"
_BEING = r"(?:is|are|be|stays?|remains?|sounds?)"
HEURISTICS = {
    "two duties": re.compile(rf"\b{_DUTY}\b[^.;!?]*\b(?:and|but)\b[^.;!?]*\b{_DUTY}\b", re.IGNORECASE),
    "joined clauses": re.compile(rf"\b(?:and|but) {_LINKED} \w+", re.IGNORECASE),
    "joined by `also`": re.compile(r"\b(?:and also|and in addition|and at the same time)\b", re.IGNORECASE),
    "two qualities": re.compile(
        rf"\b{_BEING} (?:always |very |also )?(?P<one>\w+)(?:, \w+)*,? and (?P<other>\w+)(?=[.;!?]|$)", re.IGNORECASE
    ),
}
"""Name -> what it finds within one sentence. `two qualities` ends where the sentence does: `is short and polite.`"""
_ONE_QUALITY = (
    {"plain", "simple"},
    {"clear", "simple"},
    {"clear", "plain"},
    {"brief", "short"},
    {"true", "correct"},
    {"full", "complete"},
)
"""Two words for one thing."""


def two_demands(written: Written) -> Iterator[Finding]:
    """At most one warning a principle."""
    for principle in written.constitution.principles:
        for name, pattern in HEURISTICS.items():
            if (found := pattern.search(principle.text)) and not _is_one(found):
                why = (
                    f"two demands in one sentence ({name}: {code(harmless(found[0]))})? They get one vote, and nobody "
                    "can tell which of them it was about: make two principles of them"
                )
                yield finding(written, "two-demands", principle.id, "text", why)
                break


def _is_one(found: re.Match[str]) -> bool:
    groups = found.groupdict()
    return bool(groups) and {groups["one"].lower(), groups["other"].lower()} in _ONE_QUALITY
