"""Negative phrasing where the judge's audit card shows that the judge does not follow negation.

The card's probe puts every principle's opposite before the judge, who should then prefer the other answer. A judge who
does so no more often than a coin may read "does not lecture" as "lectures". A judge that reads no text is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from constitution.extend import Written
from constitution.model import Principle
from constitution.wording import code
from judge.audit.card import Card
from judge.audit.gate import standing
from judge.audit.words import figures
from judge.lint.finding import Finding, finding
from judge.resampling import Score

READS_NO_TEXT = ("rules", "reward-model")
"""Kinds of judges to whom a principle's wording is nothing: rules apply its `check`, a reward model sees answers."""
_NEGATIVE = re.compile(
    r"\b(?:no|not|never|none|neither|nor|nothing|nobody|without|cannot|avoids?|refrains?|\w+n['’]t)\b", re.IGNORECASE
)


def negative_word(principle: Principle) -> str | None:
    """What makes its phrasing negative; None if nothing does."""
    if principle.polarity == "against":
        return "polarity: against"
    found = _NEGATIVE.search(principle.text)
    return found[0] if found else None


def weak_negation(written: Written, card: Card) -> Iterator[Finding]:
    """One warning for each negatively phrased principle on which the judge is no better than a coin."""
    for principle, word in _negative(written, card):
        flips = _flips(principle, card)
        if flips is not None and standing(flips) == "failed":
            field = "polarity" if principle.polarity == "against" else "text"
            why = (
                f"is phrased negatively ({code(word)}), and judge `{card.about.judge}` does not follow negation here: "
                f"under the opposite it prefers the other answer in {figures(flips)}, a coin in 50 %; say what is "
                "wanted instead"
            )
            yield finding(written, "weak-negation", principle.id, field, why)


def reads_text(kinds: Iterable[str]) -> bool:
    """Whether one of these kinds of judges reads principles' texts."""
    return not set(kinds) <= set(READS_NO_TEXT)


def untold(written: Written, card: Card) -> list[str]:
    """Ids of negatively phrased principles of which the card cannot tell: another text, not probed, too little data."""
    found = ((principle.id, _flips(principle, card)) for principle, _ in _negative(written, card))
    return [i for i, flips in found if flips is None or standing(flips) == "undecided"]


def _negative(written: Written, card: Card) -> Iterator[tuple[Principle, str]]:
    """The negatively phrased principles that the card's judge reads, each with what makes it negative."""
    for principle in written.constitution.principles:
        kinds = [voter.kind for voter in card.about.voters if principle.id in voter.principles] or [card.about.kind]
        if reads_text(kinds) and (word := negative_word(principle)):
            yield principle, word


def _flips(principle: Principle, card: Card) -> Score | None:
    """What the negation probe says of a principle, if it was asked about this very text."""
    row = next((row for row in card.principles if row.id == principle.id and row.text == principle.text), None)
    return row.figures.negation.flips if row and row.figures.negation else None
