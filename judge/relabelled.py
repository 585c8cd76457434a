"""What becomes of labels under a changed constitution. Asks no judge, reads no file.

Where every vote is known the answer is exact, from the labels' own shares; where some are to be asked there are bounds.

Every rule is monotone: a principle that leans more to `a` never moves the label towards `b`. So with the unknown votes
all at 1 the label is as far on a's side as it can get, all at 0 as far on b's. What is reached in neither is reached by
no votes. The bounds take it that every missing vote comes out valid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from constitution.diff import matched
from constitution.model import Constitution
from constitution.record import Record
from generate.records import Pair
from judge.aggregate import Outcome, side
from judge.ask import in_scope
from judge.labels import Missing, Opinion, Preference, opinions_in, relabel
from judge.pivotal import change, standing
from judge.records import Label, Share

NOT_ASKED = "not_asked"


class Carried(NamedTuple):
    """What is known of one pair under the new constitution."""

    opinions: dict[str, Opinion]
    missing: dict[str, str]
    """Principles in scope whose votes were given and are no preference."""
    unknown: tuple[str, ...]
    """Principles in scope whose votes are still to be asked."""


class Bound(Record):
    """How far votes that are still to be asked can change labels."""

    pairs: int
    """Pairs on which some of them are missing."""
    least_flips: int
    """Labels that turn to the other answer whatever these votes are."""
    most_flips: int
    """Labels that could."""
    most_appear: int
    """Labels that could come to be where there is none."""
    most_vanish: int
    """Labels that could cease to be."""


class LabelChanges(Record):
    """The labels of some pairs under two constitutions, before `best_worst` selects among them."""

    pairs: int
    """All pairs."""
    labelled: int
    """Those with a label under the old constitution."""
    same: int
    """Known to be the same answer, or still no label."""
    flips: int
    """Known to be the other answer."""
    appears: int
    """Known to get a label."""
    vanishes: int
    """Known to lose it."""
    unknown: Bound
    """The rest, all missing votes together."""
    alone: dict[str, Bound]
    """By principle with missing votes: the same if it alone were changed, other rewordings voting as before and other
    additions left out."""


def kept_principles(old: Constitution, new: Constitution) -> dict[str, str]:
    """Id in `new` -> id in `old`, of principles with the same meaning and the same source: their votes hold."""
    by_id, before = {p.id: p for p in new.principles}, matched(old, new)
    return {i: p.id for i, p in before.items() if (p.key, p.source) == (by_id[i].key, by_id[i].source)}


def carry(
    pair: Pair,
    label: Label,
    new: Constitution,
    kept: Mapping[str, str],
    found: Mapping[str, Preference | Missing],
) -> Carried:
    """The label's opinions where they hold, else what the store has: `found`, by principle id."""
    given, lacking = opinions_in(label), dict(label.missing)
    known = Carried({}, {}, ())
    unknown: list[str] = []
    for principle in in_scope(pair, new):
        before = kept.get(principle.id, "")
        view = found.get(principle.id, Missing(NOT_ASKED))
        if before in given:
            known.opinions[principle.id] = given[before]
        elif before in lacking:
            known.missing[principle.id] = lacking[before]
        elif isinstance(view, Preference):
            known.opinions[principle.id] = Opinion(view.p, view.position_bias)
        elif view.reason == NOT_ASKED:
            unknown.append(principle.id)
        else:
            known.missing[principle.id] = view.reason
    return known._replace(unknown=tuple(unknown))


def as_before(label: Label, known: Carried, before: Mapping[str, str]) -> Carried:
    """With the old votes in place of those still to be asked, where there are any; `before`: id in the new constitution
    -> id in the old one."""
    given = opinions_in(label)
    old = {i: given[before[i]] for i in known.unknown if before.get(i) in given}
    return known._replace(opinions=known.opinions | old, unknown=tuple(i for i in known.unknown if i not in old))


def labelled(label: Label, known: Carried, new: Constitution, p_unknown: float = 0.5) -> Label:
    """The label that the new constitution makes of what is known, every unknown vote being `p_unknown`."""
    opinions = known.opinions | dict.fromkeys(known.unknown, Opinion(p_unknown, None))
    shares = tuple(Share(principle=i, weight=0.0, p=o.p, position_bias=o.position_bias) for i, o in opinions.items())
    bare = label.model_copy(update={"shares": shares, "missing": tuple(known.missing.items())})
    return relabel(bare, new)


class Tally:
    """Counts pair by pair."""

    def __init__(self, old: Constitution, new: Constitution, kept: Mapping[str, str]) -> None:
        self._old, self._new, self._kept = old, new, kept
        self._before = {i: principle.id for i, principle in matched(old, new).items()}
        self._counts = Counter[str]()
        self._bounds: dict[str, Counter[str]] = {}

    def add(self, label: Label, known: Carried) -> None:
        """One pair, with its label under the old constitution."""
        before = standing(label, self._old)
        self._counts["pairs"] += 1
        self._counts["labelled"] += before.p is not None
        if not known.unknown:
            self._counts[change(before, _outcome(labelled(label, known, self._new)))] += 1
            return
        self._bound("", before, label, known)
        for principle in known.unknown:
            self._bound(principle, before, label, self._others_as_before(label, known, principle))

    def _others_as_before(self, label: Label, known: Carried, principle: str) -> Carried:
        others = known._replace(unknown=tuple(i for i in known.unknown if i != principle))
        return as_before(label, others, self._before)._replace(unknown=(principle,))

    def _bound(self, name: str, before: Outcome, label: Label, known: Carried) -> None:
        ends = [_outcome(labelled(label, known, self._new, p)) for p in (0.0, 1.0)]
        found = self._bounds.setdefault(name, Counter())
        found["pairs"] += 1
        found.update(possible(before, ends))

    def changes(self) -> LabelChanges:
        """The account."""
        c = self._counts
        return LabelChanges(
            pairs=c["pairs"],
            labelled=c["labelled"],
            same=c["same"],
            flips=c["flips"],
            appears=c["appears"],
            vanishes=c["vanishes"],
            unknown=_bound_of(self._bounds.get("", Counter())),
            alone={name: _bound_of(counts) for name, counts in sorted(self._bounds.items()) if name},
        )


def possible(before: Outcome, ends: Collection[Outcome]) -> list[str]:
    """Which of a Bound's counts a pair is in; `ends`: its label with the unknown votes all at 0, and all at 1."""
    sides = {None if end.p is None else side(end.p) for end in ends}
    if before.p is None:
        return ["most_appear"] if sides != {None} else []
    other = -side(before.p)
    found = ["most_flips"] if other in sides else []
    found += ["least_flips"] if sides == {other} else []
    return found + (["most_vanish"] if None in sides or len(sides) > 1 else [])


def _outcome(label: Label) -> Outcome:
    return Outcome(label.p, label.reason)


def _bound_of(counts: Counter[str]) -> Bound:
    return Bound(**{name: counts[name] for name in Bound.model_fields})
