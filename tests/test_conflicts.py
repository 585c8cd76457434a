"""The conflict map on a handful of pairs counted by hand, and against relabelling on the real rules judge."""

from __future__ import annotations

import pytest

from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.aggregate import side
from judge.labels import label_pair, relabel
from judge.records import Label
from reports.conflicts import Conflict, ConflictMap, conflict_map
from reports.decided import decided_by_all, decided_pairs
from tests.judging import a_constitution, a_pair, a_prompt, llm_judge
from tests.reporting import report_data
from tests.test_aggregate import law, logit, votes

Views = tuple[float | None, float | None, float | None]
"""p of the three principles, by `law`'s ids."""


def judged(constitution: Constitution, views: list[Views], tags: list[str]) -> tuple[list[Pair], list[Label]]:
    """One pair a prompt."""
    pairs = [a_pair("yes", "no", a_prompt(f"Question {i}?", (tag,) if tag else ())) for i, tag in enumerate(tags)]
    judge = llm_judge(constitution)
    labels = [
        label_pair(
            pair, votes(judge, pair, constitution, [None if p is None else logit(p) for p in ps]), constitution, judge
        )
        for pair, ps in zip(pairs, views, strict=True)
    ]
    return pairs, labels


VIEWS: list[Views] = [
    (0.8, 0.4, 0.5),  # dispute: 2 x 0.3 against 1 x 0.1; second needs more than 6
    (0.7, 0.1, 0.5),  # dispute: even, 0.4 against 0.4; undecided; second needs more than 1
    (0.9, 0.2, 0.1),  # dispute: 0.8 against 0.7; second needs more than (0.8 - 0.4) / 0.3
    (0.6, 0.1, 0.3),  # dispute: 0.2 against 0.6: the second wins, with any weight: the third is on its side: 0 / 0.4
    (0.8, 0.9, 0.5),  # agreement
    (0.8, None, 0.5),  # one opinion
    (0.8, 0.5, 0.5),  # the second takes no side
]
TAGS = ["x", "x", "y", "y", "x", "x", ""]


def by_name(found: ConflictMap, first: str, second: str) -> Conflict:
    return next(row for row in found.conflicts if (row.first, row.second) == (first, second))


def test_a_map_counted_by_hand() -> None:
    constitution = law((2.0, 1.0, 1.0))
    pairs, labels = judged(constitution, VIEWS, TAGS)
    found = conflict_map(pairs, labels, constitution, best_worst=False)
    assert (found.rule, found.pairs, found.prompts, len(found.conflicts)) == ("weighted_mean", 7, 7, 3)
    row = by_name(found, "first", "second")
    assert (row.all.both, row.all.disagree.hits, row.all.disagree.n) == (6, 4, 5)
    assert row.all.disagree.value == pytest.approx(0.8)
    assert (row.all.first_wins.hits, row.all.first_wins.n, row.all.undecided) == (2, 3, 1)
    assert row.loser == "second"
    # Thresholds 6, 1, 4/3 and 0: two of the four disputes are won above 1.
    assert row.weight == pytest.approx(1.0, abs=1e-6)
    assert row.times.value == row.weight
    assert row.times.n == 4
    assert set(row.by_tag) == {"x", "y"}
    assert (row.by_tag["x"].both, row.by_tag["x"].disagree.hits, row.by_tag["x"].disagree.n) == (3, 2, 3)
    assert (row.by_tag["y"].both, row.by_tag["y"].disagree.hits, row.by_tag["y"].disagree.n) == (2, 2, 2)
    assert not row.says_the_same


def test_what_each_principle_decides_by_hand() -> None:
    constitution = law((2.0, 1.0, 1.0))
    pairs, labels = judged(constitution, VIEWS, TAGS)
    first, second, third = decided_by_all(pairs, labels, constitution, best_worst=False)
    # Without the first: 0 flips, 1 appears, 2 flips, 3 stays, 4 stays, 5 and 6 are even.
    assert (first.voted, first.pivotal.hits, first.pivotal.n) == (7, 4, 6)
    assert (first.flips, first.vanishes, first.appears, first.replaced) == (2, 2, 1, None)
    # Without the second: 2 and 3 are decided by 0.8 against 0.4 and 0.2 against 0.2.
    assert (second.voted, second.flips, second.vanishes, second.appears) == (6, 0, 1, 1)
    assert (third.voted, third.flips, third.vanishes, third.appears) == (7, 0, 0, 0)
    listed = decided_pairs(labels, constitution, "first")
    assert [row.change for row in listed].count("flips") == 2
    assert listed == sorted(listed, key=lambda row: -abs(row.part or 0))
    assert {row.pair for row in listed} == {pairs[i].key for i in (0, 1, 2, 5, 6)}


def test_two_principles_that_say_the_same_hide_each_other() -> None:
    """0.4 and 0.4 against 0.3: either is enough."""
    constitution = law((1.0, 1.0, 1.5))
    views: list[Views] = [(0.9, 0.9, 0.3)] * 40
    pairs, labels = judged(constitution, views, [""] * 40)
    found = conflict_map(pairs, labels, constitution, best_worst=False)
    twins = by_name(found, "first", "second")
    assert (twins.all.disagree.hits, twins.all.disagree.n, twins.says_the_same) == (0, 40, True)
    assert (twins.hidden.hits, twins.hidden.n) == (40, 40)
    assert (twins.loser, twins.weight, twins.times.value, twins.by_tag) == (None, None, None, {})
    other = by_name(found, "first", "third")
    assert (other.all.first_wins.value, other.loser, other.says_the_same, other.hidden.hits) == (1.0, "third", False, 0)
    # 1 x 0.4 + 1 x 0.4 against w x 0.2: above 4, that is 4 / 1.5 of its weight; all disputes turn at once.
    assert other.weight == pytest.approx(4.0)
    assert (other.times.low, other.times.value, other.times.high) == (pytest.approx(4 / 1.5),) * 3
    assert [row.pivotal.hits for row in found.principles] == [0, 0, 0]


def test_order_is_turned_by_no_weight() -> None:
    constitution = law(rule="priority", priority=["second", "first", "third"])
    pairs, labels = judged(constitution, VIEWS[:4], TAGS[:4])
    row = by_name(conflict_map(pairs, labels, constitution, best_worst=False), "first", "second")
    assert row.loser == "first"
    assert (row.weight, row.times.value, row.times.high) == (None, None, None)


def reweighed(constitution: Constitution, principle: str, weight: float) -> Constitution:
    principles = [
        Principle.model_validate(p.model_dump() | ({"weight": weight} if p.id == principle else {}))
        for p in constitution.principles
    ]
    return a_constitution(principles, **constitution.aggregation.model_dump())


def won(labels: list[Label], constitution: Constitution, row: Conflict) -> tuple[int, int]:
    """Disputes that the loser wins, of all; by relabelling."""
    hits = total = 0
    for label in labels:
        sides = {share.principle: side(share.p) for share in label.shares}
        if sides.get(row.first, 0) * sides.get(row.second, 0) < 0:
            p = relabel(label, constitution).p
            hits += p is not None and side(p) == sides[str(row.loser)]
            total += 1
    return hits, total


@pytest.mark.parametrize("rule", ["weighted_mean", "majority", "random_principle"])
def test_at_the_printed_weight_the_loser_wins_half(rule: str) -> None:
    """Oracle: the rules judge's labels made again under the changed weight."""
    data = report_data(prompts=60)
    constitution = a_constitution(data.constitution.principles, rule=rule)
    pairs = [judged_pair.pair for judged_pair in data.pairs]
    labels = [relabel(judged_pair.label, constitution) for judged_pair in data.pairs]
    tried = 0
    for row in conflict_map(pairs, labels, constitution, best_worst=False).conflicts:
        if row.loser is None or row.weight is None:
            continue
        beyond, before = (reweighed(constitution, row.loser, row.weight * x) for x in (1 + 1e-6, 1 - 1e-6))
        hits, total = won(labels, beyond, row)
        assert 2 * hits >= total > 0
        hits, _ = won(labels, before, row)
        assert 2 * hits < total
        tried += 1
    assert tried >= 2


def test_the_same_pairs_give_the_same_map_in_any_order() -> None:
    constitution = law()
    pairs, labels = judged(constitution, VIEWS, TAGS)
    one = conflict_map(pairs, labels, constitution, best_worst=False)
    assert conflict_map(pairs[::-1], labels[::-1], constitution, best_worst=False) == one
    assert ConflictMap.model_validate_json(one.model_dump_json()) == one
