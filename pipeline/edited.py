"""What an edit of a run's constitution makes of the labels of its pairs trained on, over the votes that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from constitution.diff import matched
from constitution.model import Constitution
from judge.relabelled import as_before, labelled
from pipeline.exchange import Exchange
from pipeline.tracing import Opened, edited_labels


class Edited(NamedTuple):
    """The labels of an edited constitution."""

    weights: dict[str, float]
    """The principles that have a say, by its own ids, with their weights."""
    left: dict[str, float]
    """What the run's own principles still weigh in it, by the run's ids."""
    labels: dict[str, float | None]
    """p of the pairs trained on, by key; None where there is no label."""
    unjudged: tuple[str, ...] = ()
    """Principles with a weight that were not asked about some of these pairs: there they have no say."""

    @property
    def heard(self) -> bool:
        """Whether any principle with a weight has a say."""
        return any(self.weights.values())


def reweighted(opened: Opened, constitution: Constitution) -> Edited:
    """Some of the run's own principles, at other weights."""
    weights = {one.id: one.weight for one in constitution.principles}
    return Edited(weights, weights, edited_labels(opened, constitution))


def exchanged(change: Exchange, opened: Opened, *, keep_votes: bool = False) -> Edited:
    """Another constitution, with the votes that the run's store has for it. A principle that was not asked has no say,
    or with `keep_votes` says what it said before the edit.

    Raises DataError where the run's labels are not those of the old constitution.
    """
    new, trained = change.new.constitution, set(opened.recorded.head.pairs)
    before = {i: principle.id for i, principle in matched(change.old.constitution, new).items()}
    labels, heard, lacking, standing = {}, set[str](), set[str](), set(change.asked_alike)
    for pair, label, carried in change.known():
        if pair.key not in trained:
            continue
        known = as_before(label, carried, before) if keep_votes else carried
        heard.update(known.opinions)
        lacking.update(known.unknown)
        standing.update(set(carried.unknown) - set(known.unknown))
        labels[pair.key] = labelled(label, known._replace(unknown=()), new).p
    return Edited(
        {one.id: one.weight for one in new.principles if one.id in heard or one.id not in lacking},
        {before[one.id]: one.weight for one in new.principles if one.id in standing},
        labels,
        tuple(one.id for one in new.principles if one.weight and one.id in lacking),
    )


def why_unjudged(change: Exchange, principles: Sequence[str]) -> str:
    """What each of them lacks, in words."""
    old = matched(change.old.constitution, change.new.constitution)
    by_id = {one.id: one for one in change.new.constitution.principles}

    def why(i: str) -> str:
        if i not in old:
            return f"`{i}` is new and not judged"
        if i in change.asked_alike:
            return f"`{i}` is not judged on every pair of its new scope"
        if by_id[i].key != old[i].key:
            return f"`{i}` is not judged in its new wording"
        return f"`{i}` is not judged by its new source"

    return "; ".join(map(why, principles))
