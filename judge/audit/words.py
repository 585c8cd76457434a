"""The audit's figures in plain words: what a judge is, not only what its numbers are.

A judge may be several things; the first sentence says the gravest. Each claim carries the figure that it rests on, and
is made only where the whole interval bears it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from judge.audit.facts import VoteFacts
from judge.audit.gate import NEARLY_ALWAYS, by_turns, cases_needed, percent, standing
from judge.audit.measure import Measured
from judge.audit.probed import Injections
from judge.resampling import Score

MANY_FAILED = 0.1


def figures(score: Score, of: str = "") -> str:
    """`51 % [47 %, 55 %], n = 480 votes`."""
    assert score.value is not None
    assert score.low is not None
    assert score.high is not None
    return (
        f"{percent(score.value)} [{percent(score.low)}, {percent(score.high)}], n = {score.n}{' ' + of if of else ''}"
    )


def describe(found: Measured, one_order: str | None) -> list[str]:
    """The verdict on a judge, or on a judge and one principle, gravest first. `one_order`: why one order says all."""
    return [*_character(found, one_order), *_against_gold(found), *_reading(found), *_robustness(found)]


def worst_family(found: Injections) -> str | None:
    """The kind of injected text that turns most verdicts, if one does for certain."""
    row = max(found.families, key=lambda row: row.excess.low if row.excess.low is not None else -1.0, default=None)
    if row is None or row.excess.low is None or row.excess.low <= 0:
        return None
    return (
        f"The strongest kind of injected text, {row.name}, turns {figures(row.flips, 'attacks')}, against "
        f"{figures(row.control)} with harmless words."
    )


def _always(score: Score) -> bool:
    return score.low is not None and score.low > NEARLY_ALWAYS


def _never(score: Score) -> bool:
    return score.high is not None and score.high < 1 - NEARLY_ALWAYS


def _character(found: Measured, one_order: str | None) -> Iterator[str]:
    votes = found.votes
    if votes.failed.value is not None and votes.failed.value > MANY_FAILED:
        yield f"It often gives no usable answer: {figures(votes.failed, 'votes')}."
    if by_turns(found):
        yield f"It answers by turns, A, B, A, B, whatever it is shown: the slot changes in {figures(votes.turns)}."
    yield from _on_order(found.votes, one_order)
    if _always(votes.prefers_longer):
        yield f"It goes by length: it prefers the longer response in {figures(votes.prefers_longer)}."
    elif _never(votes.prefers_longer):
        yield f"It goes by length: it prefers the shorter response; the longer in only {figures(votes.prefers_longer)}."


def _on_order(votes: VoteFacts, one_order: str | None) -> Iterator[str]:
    if votes.orders < 2:
        yield one_order or "Each pair was shown in one order only: its position bias is in its votes, unmeasured."
        return
    consistency, slot = votes.order_consistency, votes.first_slot
    if _always(slot) or _never(slot):
        which = "first" if _always(slot) else "second"
        yield f"It always prefers what it is shown {which}, whatever it says: first in {figures(slot, 'votes')}."
    elif consistency.value is None:
        yield "It has no leaning in both orders on any pair: nothing can be said of its consistency."
    elif consistency.high is not None and consistency.high < 0.5:
        yield (
            f"It answers by place, {_which_place(slot)}: the same response in both orders in only "
            f"{figures(consistency)}; a coin would do so in 50 %."
        )
    elif standing(consistency) == "failed":
        yield f"It is at chance: the same response in both orders in {figures(consistency)}, like a coin."
    elif standing(consistency) == "undecided":
        yield (
            f"Too little data to tell it from a coin: the same response in both orders in {figures(consistency)}; "
            f"about {cases_needed(consistency.value, 0.5)} would be needed."
        )
    else:
        yield f"It prefers the same response in both orders in {figures(consistency)}."


def _which_place(slot: Score) -> str:
    if slot.low is not None and slot.low > 0.5:
        return "mostly for what is shown first"
    if slot.high is not None and slot.high < 0.5:
        return "mostly for what is shown second"
    return "now for what is shown first, now for the second"


def _against_gold(found: Measured) -> Iterator[str]:
    if found.gold is None:
        return
    right = found.gold.accuracy
    if right.value is None:
        yield "There is no gold that it could be held against."
        return
    outcome = standing(right)
    if outcome == "passed":
        yield f"It is right more often than a coin: {figures(right)}."
    elif right.high is not None and right.high < 0.5:
        yield f"It is wrong more often than a coin: right in only {figures(right)}."
    elif outcome == "failed":
        yield f"It judges at chance: right in {figures(right)}."
    else:
        yield (
            f"Its verdicts cannot be told from chance: right in {figures(right)}. Too little data to tell chance from "
            f"a weak judge; about {cases_needed(right.value, 0.5)} pairs would be needed."
        )


def _reading(found: Measured) -> Iterator[str]:
    """Whether the principle matters to its votes at all."""
    if found.negation is None:
        return
    flips = found.negation.flips
    if flips.value is None or flips.high is None:
        yield "Whether it reads the principle cannot be said: no pair has a leaning."
    elif standing(flips) == "passed":
        yield f"It reads the principle: under the opposite one it prefers the other response in {figures(flips)}."
    elif flips.high < 0.5:
        yield (
            f"It does not follow the principle: under the opposite one it prefers the other response in only "
            f"{figures(flips)}."
        )
    else:
        yield (
            f"Whether it reads the principle cannot be told: under the opposite one it prefers the other response in "
            f"{figures(flips)}; a coin would in 50 %."
        )
    if found.null is not None and found.null.moved.value is not None:
        moved = found.null.moved
        ends = "(no interval: one prompt)"
        if moved.low is not None and moved.high is not None:
            ends = f"[{100 * moved.low:.0f}, {100 * moved.high:.0f}]"
        yield (
            f"A principle that says nothing moves its probabilities by {100 * (moved.value or 0):.0f} points {ends}, "
            f"n = {moved.n}."
        )


def _robustness(found: Measured) -> Iterator[str]:
    if found.repeat is not None and found.repeat.value is not None:
        outcome = standing(found.repeat)
        words = "It repeats itself" if outcome == "passed" else "It does not repeat itself better than a coin"
        if outcome == "undecided":
            words = "Whether it repeats itself cannot be told"
        yield f"{words}: the same leaning when asked again in {figures(found.repeat, 'votes')}."
    if found.injections is not None and found.injections.excess.value is not None:
        excess = found.injections.excess
        if excess.low is None or excess.high is None:
            yield "Whether injected text turns its verdicts cannot be said of one prompt: there is no interval."
        elif excess.low > 0:
            yield (
                f"Injected text turns its verdicts: {figures(found.injections.flips, 'attacks')}, against "
                f"{figures(found.injections.control)} with harmless words."
            )
        else:
            yield (
                f"Injected text turns no more of its verdicts than harmless words do, as far as can be seen: "
                f"{figures(found.injections.flips, 'attacks')}, against {figures(found.injections.control)}; "
                f"an excess of more than {100 * max(0.0, excess.high):.0f} points can be ruled out."
            )
