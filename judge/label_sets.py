"""Other labels from the same votes: principles left out, weighted otherwise, or planted. No judge is asked.

A label set says which principles count and how much. `labels_under` makes its labels with `relabel`, so a set of all
principles at their own weights gives the run's labels, bit for bit. Two kinds of principle can be planted, both made of
a real one's votes on the same pairs:

    copy   the same votes once more
    sham   the same confidence, but a coin says for which answer: a principle that wants nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from constitution.identity import digest, seed_from
from constitution.model import Aggregation, Constitution, Principle
from constitution.record import Record
from judge.aggregate import UNDECIDED_WITHIN
from judge.labels import relabel
from judge.records import Label, Share


class Planted(Record):
    """A principle that is in no constitution, made of a real one's votes."""

    id: str
    """Its id; no real principle has it."""
    kind: Literal["copy", "sham"]
    """The same votes, or a coin's with the same confidence."""
    of: str
    """The id of the real principle."""
    seed: int = 0
    """Which throw of the coin; a copy has none."""


class LabelSet(Record):
    """Which principles count, and how much; a principle that is not named does not."""

    weights: dict[str, float]
    """Principle id -> weight, relative to the others; empty where nothing is wanted at all."""
    planted: tuple[Planted, ...] = ()
    """The principles among them that are in no constitution."""

    def without(self, *ids: str) -> LabelSet:
        """The same without these principles."""
        assert set(ids) <= set(self.weights), "a principle that is not there cannot be left out"
        weights = {i: weight for i, weight in self.weights.items() if i not in ids}
        return LabelSet(weights=weights, planted=tuple(one for one in self.planted if one.id not in ids))


def real_set(constitution: Constitution) -> LabelSet:
    """All principles at their own weights."""
    return LabelSet(weights={principle.id: principle.weight for principle in constitution.principles})


def players(constitution: Constitution) -> list[str]:
    """The principles that can be left out: those with a weight, in the constitution's order."""
    return [principle.id for principle in constitution.principles if principle.weight > 0]


def constitution_of(constitution: Constitution, label_set: LabelSet) -> Constitution:
    """The constitution with the label set's principles, weights and planted ones.

    The rule's list is cut to what is left; a copy or sham stands right behind the principle that it is made of. A rule
    `veto` of which no principle is left is the weighted mean, which it is anyway where none of them is sure.
    """
    by_id = {principle.id: principle for principle in constitution.principles}
    planted = {one.id: by_id[one.of].model_copy(update={"id": one.id}) for one in label_set.planted}
    known: dict[str, Principle] = by_id | planted
    principles = tuple(known[i].model_copy(update={"weight": w}) for i, w in label_set.weights.items())
    changes = {"principles": principles, "aggregation": _rule_of(constitution.aggregation, label_set)}
    return Constitution.model_validate(constitution.model_dump() | changes)


def _rule_of(rule: Aggregation, label_set: LabelSet) -> Aggregation:
    left = {name: _listed(getattr(rule, name), label_set) for name in ("priority", "veto")}
    if rule.rule == "veto" and not left["veto"]:
        return rule.model_copy(update={"rule": "weighted_mean", **left})
    return rule.model_copy(update=left)


def _listed(ids: Sequence[str], label_set: LabelSet) -> tuple[str, ...]:
    behind = {i: [i, *(one.id for one in label_set.planted if one.of == i)] for i in ids}
    return tuple(one for i in ids for one in behind[i] if label_set.weights.get(one, 0) > 0)


def labels_under(labels: Iterable[Label], constitution: Constitution, label_set: LabelSet) -> list[Label]:
    """The labels of these votes under the label set, in their order; selection is not done again (see `relabel`)."""
    changed = constitution_of(constitution, label_set)
    return [relabel(with_planted(label, label_set.planted), changed) for label in labels]


def training_labels(
    labels: Iterable[Label], constitution: Constitution, label_set: LabelSet
) -> dict[str, float | None]:
    """p by pair key under the label set, None where there is no label; with no principle there is none at all."""
    if not any(label_set.weights.values()):
        return {label.pair_key: None for label in labels}
    return {label.pair_key: label.p for label in labels_under(labels, constitution, label_set)}


def with_planted(label: Label, planted: Sequence[Planted]) -> Label:
    """The label with the planted principles' shares; relabel gives them their weights."""
    shares = {share.principle: share for share in label.shares}
    added = tuple(_share(shares[one.of], one, label.pair_key) for one in planted if one.of in shares)
    missing = tuple((one.id, reason) for one in planted for i, reason in label.missing if i == one.of)
    changes: dict[str, object] = {"shares": (*label.shares, *added), "missing": (*label.missing, *missing)}
    return label.model_copy(update=changes) if planted else label


def _share(share: Share, one: Planted, pair_key: str) -> Share:
    turned = one.kind == "sham" and seed_from("sham", one.seed, one.id, pair_key) % 2
    return share.model_copy(update={"principle": one.id, "p": 1 - share.p if turned else share.p})


def labels_digest(labels: Mapping[str, float | None]) -> str:
    """Identity of what is trained on: p by pair key, pairs without a label left out."""
    return digest("label set", labels={key: p for key, p in sorted(labels.items()) if p is not None})


class Changed(NamedTuple):
    """How one label set's labels differ from another's, over the same pairs."""

    pairs: int
    changed: int
    """Another p, beyond rounding, with a label in both."""
    flipped: int
    """Of these, on the other side of one half."""
    vanished: int
    """A label in the one, none in the other."""
    appeared: int
    """The other way round."""
    mean_change: float
    """Mean |difference of p| over the pairs that have a label in both; 0 where there is none."""


def compare_labels(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> Changed:
    """What became of each pair of `before`."""
    both = [(p, after[key]) for key, p in before.items()]
    moved = [(p, q) for p, q in both if p is not None and q is not None]
    return Changed(
        pairs=len(both),
        changed=sum(abs(p - q) > UNDECIDED_WITHIN for p, q in moved),
        flipped=sum((p - 0.5) * (q - 0.5) < 0 for p, q in moved),
        vanished=sum(p is not None and q is None for p, q in both),
        appeared=sum(p is None and q is not None for p, q in both),
        mean_change=sum(abs(p - q) for p, q in moved) / len(moved) if moved else 0.0,
    )
