"""What becomes of every judged pair's label between two runs, selected or not, and on which pairs each run trains.

`constitution diff` counts in the same two ways: all judged pairs, and the pairs to train on, which with
`pairing: best_worst` are one a prompt. A label here is what the run's rule makes of the votes; that another pair of the
prompt was trained on is no change of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from judge.aggregate import Outcome, side
from judge.agreement import Leaning, rate
from judge.pivotal import Change, change, standing
from reports.compare.records import JudgedLabels, LabelChange, PairLabel, PromptsTrained, Side

Identity = tuple[str, str]
EVEN = 0.5
Couple = tuple[PairLabel, PairLabel]


def identity(one: PairLabel) -> Identity:
    """The pair's two answers, whichever stands first."""
    return min(one.a, one.b), max(one.a, one.b)


def turned(one: PairLabel, towards: int) -> int:
    """1 for the answer whose key comes first, -1 for the other: the same in both runs."""
    return towards if one.a < one.b else -towards


def judged_labels(first: Side, other: Side, shared: Sequence[Couple]) -> JudgedLabels | None:
    """None where a run's labels are of another constitution than its own: its rule is then not known."""
    if not shared or not (_own(first) and _own(other)):
        return None
    found = [(one, two, _standing(one, two, first, other)) for one, two in shared]
    changes = [(one, two, ends, change(*ends)) for one, two, ends in found]

    def share(wanted: Change) -> object:
        return rate(Leaning(one.prompt, what == wanted) for one, _, _, what in changes)

    rates = {name: share(name) for name in get_args(Change)}
    moved = {identity(one): (one, two, ends, what) for one, two, ends, what in changes if what != "same"}
    return JudgedLabels.model_validate({**rates, "changed": tuple(_ranked(first, moved))})


def _own(run: Side) -> bool:
    return all(one.label.constitution == run.constitution.key for one in run.labels or ())


def _standing(one: PairLabel, two: PairLabel, first: Side, other: Side) -> tuple[Outcome, Outcome]:
    """What each run's rule says of the votes, both for the first answer of the first run's pair."""
    then = standing(two.label, other.constitution)
    if one.a != two.a and then.p is not None:
        then = then._replace(p=1 - then.p)
    return standing(one.label, first.constitution), then


Moved = Mapping[Identity, tuple[PairLabel, PairLabel, tuple[Outcome, Outcome], Change]]


def _ranked(first: Side, moved: Moved) -> list[LabelChange]:
    """Furthest first; where there is no label it is taken for even."""

    def distance(row: LabelChange) -> tuple[float, str]:
        before, after = (EVEN if p is None else p for p in (row.first, row.other))
        return -abs(after - before), row.pair.key

    return sorted(_changes(first, moved), key=distance)


def _changes(first: Side, moved: Moved) -> Iterator[LabelChange]:
    """Their texts are read now, pair by pair: only those of changed labels are kept in memory."""
    for pair in first.pairs:
        key = min(pair.a.key, pair.b.key), max(pair.a.key, pair.b.key)
        if key in moved:
            one, two, (before, after), what = moved[key]
            yield LabelChange(
                change=what,
                first=before.p,
                other=after.p,
                first_trained=one.label.p is not None,
                other_trained=two.label.p is not None,
                pair=pair,
            )


def prompts_trained(first: Side, other: Side, shared: Sequence[Couple]) -> PromptsTrained:
    """Of the prompts with a pair in both runs, those with a pair to train on in either."""
    prompts = {one.prompt for one, _ in shared}
    before, after = _trained(first), _trained(other)
    counts = Counter[str]()
    for prompt in sorted(prompts & (before.keys() | after.keys())):
        ours, theirs = before.get(prompt, {}), after.get(prompt, {})
        same_pairs = ours.keys() == theirs.keys()
        counts["same" if ours == theirs else "turned" if same_pairs else "other"] += 1
    return PromptsTrained(prompts=counts.total(), same=counts["same"], turned=counts["turned"], other=counts["other"])


def _trained(run: Side) -> dict[str, dict[Identity, int]]:
    """Prompt -> its pairs with a label, and the answer that each prefers."""
    found: dict[str, dict[Identity, int]] = defaultdict(dict)
    for one in run.labels or ():
        if one.label.p is not None:
            found[one.prompt][identity(one)] = turned(one, side(one.label.p))
    return found
