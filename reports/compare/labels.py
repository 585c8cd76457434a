"""The labels of two runs on the pairs that both have. A pair is its two answers, whichever stands first."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.diff import matched
from judge.aggregate import side
from judge.agreement import Leaning, rate
from reports.compare.changes import Identity, identity, judged_labels, prompts_trained, turned
from reports.compare.records import LabelsCompared, PairLabel, PrincipleSides, Side
from reports.labels import side as opinion_side


def compare_labels(first: Side, other: Side) -> LabelsCompared | None:
    """None where one of them has no labels yet."""
    if first.labels is None or other.labels is None:
        return None
    ours, theirs = _by_pair(first.labels), _by_pair(other.labels)
    shared = [(ours[key], theirs[key]) for key in sorted(ours.keys() & theirs.keys())]
    both = [
        Leaning(one.prompt, turned(one, side(p)) != turned(two, side(q)))
        for one, two in shared
        if (p := one.label.p) is not None and (q := two.label.p) is not None
    ]
    return LabelsCompared(
        first_pairs=len(ours),
        other_pairs=len(theirs),
        shared=len(shared),
        flips=rate(both),
        only_first=sum(one.label.p is not None and two.label.p is None for one, two in shared),
        only_other=sum(one.label.p is None and two.label.p is not None for one, two in shared),
        trained=prompts_trained(first, other, shared),
        judged=judged_labels(first, other, shared),
        principles=tuple(_principles(first, other, shared)),
    )


def _by_pair(labels: Sequence[PairLabel]) -> dict[Identity, PairLabel]:
    return {identity(one): one for one in labels}


def _principles(first: Side, other: Side, shared: Sequence[tuple[PairLabel, PairLabel]]) -> list[PrincipleSides]:
    pairs = matched(first.constitution, other.constitution)
    found = []
    for new in other.constitution.principles:
        if new.id not in pairs:
            continue
        rows = [
            Leaning(one.prompt, here != there)
            for one, two in shared
            if (here := _opinion(one, pairs[new.id].id)) and (there := _opinion(two, new.id))
        ]
        found.append(PrincipleSides(principle=new.id, reworded=new.key != pairs[new.id].key, flips=rate(rows)))
    return found


def _opinion(one: PairLabel, principle: str) -> int:
    """The side that the principle takes; 0 where it takes none, or has no opinion."""
    p = next((share.p for share in one.label.shares if share.principle == principle), None)
    return 0 if p is None else turned(one, opinion_side(p))
