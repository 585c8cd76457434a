"""Principles that can never decide, whatever anyone votes: too light for the abstain band, or never reached.

By weighted mean p = (1 - w) q + w p_k, where w is the normalised weight, p_k in [0, 1] the principle's vote and q in
[0, 1] the others' mean. As p_k goes from 0 to 1, p goes through an interval of length w. The label turns from one
answer to the other where that interval begins below 1/2 - b and ends above 1/2 + b, b being the abstain band. There is
such a q (q = 1/2 puts it in the middle) exactly if

    w > 2 b

so without a band every weight above 0 can decide. By majority the same holds, the others being able to stand at one
half each; under `veto` too, for those without a veto, where no veto is sure. w is largest where fewest others have a
vote: on a prompt with the fewest principles in scope, of whose weight W at least min_coverage W must have votes,

    w <= weight / max(weight, min_coverage W)

and only where even this is at most 2 b is there a warning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from constitution.extend import Written
from constitution.model import Constitution, Principle
from judge.aggregate import UNDECIDED_WITHIN
from judge.lint.finding import Finding, finding

BY_MEAN = ("weighted_mean", "majority", "veto")


def never_decide(written: Written) -> Iterator[Finding]:
    """One warning a principle. Weight 0 is a choice, and no warning."""
    rule = written.constitution.aggregation
    if rule.rule in BY_MEAN:
        yield from _too_light(written)
    if rule.rule == "priority":
        yield from _never_reached(written)


def _too_light(written: Written) -> Iterator[Finding]:
    constitution = written.constitution
    needed = 2 * max(constitution.aggregation.abstain_band, UNDECIDED_WITHIN)
    for principle in constitution.principles:
        if principle.weight == 0 or principle.id in constitution.aggregation.veto:
            continue
        most = widest_share(principle, constitution)
        if most <= needed:
            why = (
                f"has at most {most:.3%} of the weight on any pair, and to turn a label from one answer to the other "
                f"takes more than twice the abstain band, {needed:.3%}: it can never decide, whatever the others say"
            )
            yield finding(written, "never-decides", principle.id, "weight", why)


def widest_share(principle: Principle, constitution: Constitution) -> float:
    """A bound on its normalised weight over all prompts that there could be, and all votes that may be missing."""
    others = [p for p in constitution.principles if p.id != principle.id]
    everywhere = math.fsum(p.weight for p in others if not p.scope)
    beside = [math.fsum(p.weight for p in others if tag in p.scope) for tag in principle.scope]
    in_scope = principle.weight + everywhere + min(beside, default=0.0)
    return principle.weight / max(principle.weight, constitution.aggregation.min_coverage * in_scope)


def _never_reached(written: Written) -> Iterator[Finding]:
    """At the later one of two principles in the order of priority."""
    constitution = written.constitution
    by_id = {principle.id: principle for principle in constitution.principles}
    warned: set[str] = set()
    for one, other in combinations([by_id[i] for i in constitution.aggregation.priority], 2):
        if other.id not in warned and (why := _shadow(one, other, constitution.aggregation.margin)):
            warned.add(other.id)
            yield finding(written, "never-decides", other.id, "id", why)


def _shadow(one: Principle, other: Principle, margin: float) -> str:
    """Why `one`, which comes first, leaves `other` nothing to decide; empty if it leaves it something."""
    if one.scope and not (other.scope and set(other.scope) <= set(one.scope)):
        return ""
    if one.key == other.key and one.source == other.source:
        return f"is never reached: `{one.id}` asks the same of the same pairs before it, so it is as sure or as unsure"
    if margin <= UNDECIDED_WITHIN and one.check is None:
        return (
            f"is reached only where `{one.id}`, which comes before it, is at exactly one half: with `margin: 0` any "
            "other vote is sure"
        )
    return ""
