"""Principles without anything to say: no prompt falls under them, or they could turn none of a run's labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from constitution.extend import Written
from constitution.model import Aggregation, Constitution
from constitution.wording import listed
from judge.aggregate import UNDECIDED_WITHIN
from judge.audit.cells import floats
from judge.audit.gate import percent
from judge.lint.finding import Finding, finding
from judge.records import Label
from judge.resampling import share_score

MOST_TAGS = 8
"""Tags that one warning lists."""


class Prompts(NamedTuple):
    """The tags of some prompts, and what it means if a principle applies to none of them."""

    name: str
    tags: Sequence[tuple[str, ...]]
    so: str


class Seen(NamedTuple):
    """A label and the prompt that its pair is of."""

    label: Label
    prompt: str


def without_prompts(written: Written, prompts: Prompts) -> Iterator[Finding]:
    """One warning for each principle that none of these prompts falls under."""
    for principle in written.constitution.principles:
        if not any(principle.applies_to(tags) for tags in prompts.tags):
            why = (
                f"none of the {len(prompts.tags)} prompts in {prompts.name} has a tag of its scope "
                f"({listed(principle.scope)}), so {prompts.so}; {_tags_there(prompts.tags)}"
            )
            yield finding(written, "no-prompt", principle.id, "scope", why)


def _tags_there(tags: Iterable[tuple[str, ...]]) -> str:
    found = sorted({tag for row in tags for tag in row})
    if not found:
        return "they have no tags"
    return f"tags there: {listed(found[:MOST_TAGS])}{' and others' if len(found) > MOST_TAGS else ''}"


def idle(written: Written, seen: Sequence[Seen]) -> Iterator[Finding]:
    """One warning for each principle that had a vote on labelled pairs and could turn none of them.

    By weighted mean, as far as its vote could have gone, from 0 to 1; under the rules by which one principle decides,
    as it voted. Under the others nothing is said. The labels must be the constitution's own.
    """
    constitution = written.constitution
    for principle in constitution.principles:
        hits = [(s.prompt, hit) for s in seen if (hit := _decides(s.label, principle.id, constitution)) is not None]
        if principle.weight == 0 or not hits or any(hit for _, hit in hits):
            continue
        score = share_score(floats([hit for _, hit in hits]), [prompt for prompt, _ in hits])
        assert score.high is not None
        could = "could turn" if constitution.aggregation.rule == "weighted_mean" else "decided"
        why = (
            f"{could} none of the run's labels on the {score.n} pairs of {score.clusters} prompts with its vote (in "
            f"general at most {percent(score.high)}, 95 % interval)"
        )
        yield finding(written, "idle", principle.id, "weight", why)


def _decides(label: Label, principle: str, constitution: Constitution) -> bool | None:
    """None where it has no vote or the rule is not looked at."""
    rule = constitution.aggregation
    share = next((share for share in label.shares if share.principle == principle), None)
    if share is None:
        return None
    if rule.rule == "weighted_mean":
        return can_turn(share.weight, _rest(label, principle), rule)
    return principle in label.decided_by if rule.rule in ("priority", "random_principle") else None


def can_turn(weight: float, rest: float, rule: Aggregation) -> bool:
    """Whether a vote from 0 to 1 of this normalised weight can turn the label; `rest`: the others' sum of w_j p_j."""
    band = max(rule.abstain_band, UNDECIDED_WITHIN)
    return rest < 0.5 - band and rest + weight > 0.5 + band


def _rest(label: Label, principle: str) -> float:
    return sum(share.weight * share.p for share in label.shares if share.principle != principle)
