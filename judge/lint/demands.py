"""Two demands in one sentence, by a few patterns that seldom mean anything else.

What they do not find may still be two demands: "starts with its content and has no stock phrases" passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from constitution.errors import harmless
from constitution.extend import Written
from constitution.wording import code
from judge.lint.finding import Finding, finding
from judge.lint.qualities import QUALITY, is_one

_DUTY = r"(?:must|should|shall|has to|have to|needs? to)"
_LINKED = r"(?:it|they|the (?:answer|response|reply|assistant|model))"
_BEING = r"(?:is|are|be|stays?|remains?|sounds?)"
_WITH = r"(?:, (?:and |but |yet )?| (?:and|but|yet|nor|while|as well as) )"
_MORE = r"(?:(?:also|always|very|still|equally|more|less|most|least|highly|being|remaining|staying) )*"
_DOES = (
    r"(?:gives|cites|avoids|explains|offers|admits|provides|includes|respects|refuses|stays|remains|is|uses|mentions|"
    r"acknowledges|suggests|encourages|asks|thanks|warns|ends|begins|recommends)"
)
_DO = r"(?:be|avoid|give|cite|explain|offer|admit|provide|include|respect|refuse|stay|remain|use|mention|keep)"
_OBJECT = r"(?= \w)(?! (?:(?:to|by|with) )?(?:it|them|of|in|for|and|or)\b)"
"""What makes the word before it a verb: it has an object, and one that is not the thing just spoken of."""


class Doubt(NamedTuple):
    """What may be two demands: by which of HEURISTICS, and its words."""

    heuristic: str
    words: str


HEURISTICS = {
    "two duties": re.compile(rf"\b{_DUTY}\b.*\b(?:and|but)\b.*\b{_DUTY}\b", re.IGNORECASE),
    "joined clauses": re.compile(rf"\b(?:and|but) {_LINKED} \w+", re.IGNORECASE),
    "joined by `also`": re.compile(
        r"\b(?:(?:and|but|while) also|and (?:in addition|at the same time)|while (?:being|staying|avoiding))\b",
        re.IGNORECASE,
    ),
    "two qualities": re.compile(
        rf"\b(?P<one>{QUALITY}){_WITH}{_MORE}(?P<other>{QUALITY})\b"
        rf"|\b{_BEING} (?:always |very |also )?(?P<this>\w+)(?:, \w+)*,? and (?P<that>\w+)(?=[.;!?]|$)",
        re.IGNORECASE,
    ),
    "two actions": re.compile(
        rf"\b(?:and|but) {_DOES}\b{_OBJECT}|(?:^{_DO}\b|\b{_DUTY}\b).*\b(?:and|but) {_DO}\b{_OBJECT}",
        re.IGNORECASE,
    ),
}
"""Name -> what it finds within one sentence."""
_ABOUT_ANOTHER = re.compile(r"\b(?:who|whoever|whose|what|whatever|if|when|where|why)\b[^,]*$", re.IGNORECASE)
"""How a clause begins whose verbs ask nothing of the answer: `the person who asks and gives no reason`."""
_SENTENCE = re.compile(r"(?<=[.;!?])\s+")


def two_demands(written: Written) -> Iterator[Finding]:
    """At most one warning a principle."""
    for principle in written.constitution.principles:
        if found := demands_in(principle.text):
            name, quoted = found
            why = (
                f"two demands in one sentence ({name}: {code(harmless(quoted))})? They get one vote, and nobody can "
                "tell which of them it was about: make two principles of them"
            )
            yield finding(written, "two-demands", principle.id, "text", why)


def demands_in(text: str) -> Doubt | None:
    """The first of HEURISTICS that finds anything."""
    for sentence in _SENTENCE.split(text):
        for name, pattern in HEURISTICS.items():
            if found := next((each for each in pattern.finditer(sentence) if not _is_one(name, each)), None):
                return Doubt(name, found[0])
    return None


def _is_one(name: str, found: re.Match[str]) -> bool:
    """What looks like two and is one: two words for one thing, or a verb of somebody else."""
    if name == "two actions":
        return bool(_ABOUT_ANOTHER.search(found.string[: found.start()]))
    if name != "two qualities":
        return False
    said = found.groupdict()
    return is_one(said["one"] or said["this"], said["other"] or said["that"])
