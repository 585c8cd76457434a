"""Which labels each principle decides: those that would turn or vanish without it. Asks no judge.

Of labels that were trained on; that another pair of the prompt would be trained on in their place (`best_worst`) is
counted apart. Intervals are over prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from constitution.model import Constitution, Principle
from constitution.record import Record
from generate.records import Pair
from judge.agreement import Leaning, Rate, rate
from judge.labels import relabel, select_best_worst
from judge.pivotal import PIVOTAL, Change, change, parts, standing, without
from judge.records import Label


class DecidedPair(Record):
    """One pair whose label is another without the principle."""

    pair: str
    """The pair's key."""
    change: Change
    """What becomes of the label."""
    p: float | None
    """Probability that `a` is better, with the principle; None where there is no label."""
    without: float | None
    """The same without it."""
    part: float | None
    """The principle's signed part of p - 1/2; None where the rule finds no p."""


class Decided(Record):
    """One principle and the labels that hang on it."""

    principle: str
    """The principle's id."""
    voted: int = Field(ge=0)
    """Pairs on which it has an opinion."""
    pivotal: Rate
    """Of the labels that it voted on: those that would flip or vanish without it."""
    flips: int
    """Labels that would take the other side."""
    vanishes: int
    """Labels that there would not be."""
    appears: int
    """Pairs without a label by the rule that would have one."""
    replaced: int | None
    """Labels in whose place another pair of the prompt would be trained on; None unless pairs are so chosen."""


def decided_pairs(labels: Sequence[Label], constitution: Constitution, principle: str) -> list[DecidedPair]:
    """The pairs that it decides, those first where its part is largest. Pairs that were not selected are left out."""
    rows = []
    for label in labels:
        if label.reason == "not_selected" or all(share.principle != principle for share in label.shares):
            continue
        before, after = standing(label, constitution), without(label, constitution, (principle,))
        became = change(before, after)
        if became != "same":
            part = parts(label, constitution).get(principle)
            rows.append(DecidedPair(pair=label.pair_key, change=became, p=before.p, without=after.p, part=part))
    return sorted(rows, key=lambda row: (-abs(row.part or 0.0), row.pair))


def decided_by_all(
    pairs: Sequence[Pair], labels: Sequence[Label], constitution: Constitution, best_worst: bool
) -> list[Decided]:
    """One row a principle, in the constitution's order. `labels` has one entry for each pair, in the pairs' order."""
    prompts = {pair.key: pair.prompt.key for pair in pairs}
    return [
        _decided(principle, pairs, labels, constitution, prompts, best_worst) for principle in constitution.principles
    ]


def _decided(
    principle: Principle,
    pairs: Sequence[Pair],
    labels: Sequence[Label],
    constitution: Constitution,
    prompts: Mapping[str, str],
    best_worst: bool,
) -> Decided:
    voted = [label for label in labels if any(share.principle == principle.id for share in label.shares)]
    became = {row.pair: row.change for row in decided_pairs(voted, constitution, principle.id)}
    changes = list(became.values())
    return Decided(
        principle=principle.id,
        voted=len(voted),
        pivotal=rate(
            Leaning(prompts[label.pair_key], became.get(label.pair_key) in PIVOTAL)
            for label in voted
            if label.p is not None
        ),
        flips=changes.count("flips"),
        vanishes=changes.count("vanishes"),
        appears=changes.count("appears"),
        replaced=_replaced(principle, pairs, labels, constitution) if best_worst else None,
    )


def _replaced(principle: Principle, pairs: Sequence[Pair], labels: Sequence[Label], constitution: Constitution) -> int:
    others = tuple(other for other in constitution.principles if other.id != principle.id)
    smaller = constitution.model_copy(update={"principles": others})
    chosen = select_best_worst(pairs, [relabel(label, smaller) for label in labels])
    return sum(old.p is not None and new.reason == "not_selected" for old, new in zip(labels, chosen, strict=True))
