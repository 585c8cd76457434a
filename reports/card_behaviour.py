"""What a model's card says only when it was measured, after training: how the model answers held-out prompts."""

from __future__ import annotations

import re

from reports.behaviour import BehaviourTable, PrincipleRow, caution
from reports.card_parts import escaped, table
from reports.summary import HEADINGS
from reports.text import percent, plural

TITLE = "## Behaviour on held-out prompts"
NOT_YET = f"{TITLE}\n\nNot measured yet: `preceptor behaviour` writes here what it measures."
_SECTION = re.compile(rf"^{re.escape(TITLE)}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def behaviour_section(found: BehaviourTable, judge: str) -> str:
    """Every principle's win rate with its n and interval, by the judge of this name."""
    about = (
        "Win rate, no count of wins: the mean probability that this model's answer is better than the original's, as "
        f"the judge {escaped(judge)} sees it: means over {plural(found.prompts, 'held-out prompt')} with "
        f"{plural(found.samples, 'answer')} from each "
        f"model, {percent(found.level)} % intervals over prompts. 50 % is no change. A principle moved where its "
        "interval does not contain 50 % and its p-value agrees after Holm's adjustment for all principles."
        f"{' ' if caution(found) else ''}{caution(found)}"
    )
    columns = ["principle", "win rate", "interval", "prompts", "comparisons", "outcome"]
    return f"{TITLE}\n\n{about}\n\n{table(columns, [_row(row) for row in found.principles])}"


def with_behaviour(card: str, found: BehaviourTable, judge: str) -> str:
    """The card with this section in the place of the one that it has, or at its end; all else as it is."""
    section = f"{behaviour_section(found, judge)}\n"
    if _SECTION.search(card) is None:
        return f"{card.rstrip()}\n\n{section}"
    return _SECTION.sub(lambda _: f"{section}\n", card, count=1).rstrip() + "\n"


def _row(row: PrincipleRow) -> list[str]:
    rate, outcome = row.win_rate, HEADINGS[row.outcome]
    if rate is None:
        return [row.id, "none", "none", "0", str(row.comparisons), outcome]
    ends = "no interval: one prompt"
    if rate.low is not None and rate.high is not None:
        ends = f"{percent(rate.low, 1)} to {percent(rate.high, 1)} %"
    return [row.id, f"{percent(rate.estimate, 1)} %", ends, str(rate.n), str(row.comparisons), outcome]
