"""Agreement between judges: by hand, and against what the authors of LLMBar published for two real judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.agreement import Table, cohens_kappa, compare_judges, rate, verdict_on
from judge.ask import PairVotes
from judge.interface import Judge
from judge.records import Order
from tests.judging import a_constitution, a_pair, a_prompt, a_vote, llm_judge

FOLLOWS = Principle(id="follows", text="Follows the instruction.")
CONSTITUTION = a_constitution([FOLLOWS])
JUDGE = llm_judge(CONSTITUTION)


def votes_in(order: Order, pairs: list[Pair], logits: list[float | None], judge: Judge = JUDGE) -> dict[str, PairVotes]:
    """One vote a pair, in one order."""
    return {
        pair.key: {"follows": (a_vote(judge, pair, FOLLOWS, order, logit),)}
        for pair, logit in zip(pairs, logits, strict=True)
    }


def merged(one: dict[str, PairVotes], two: dict[str, PairVotes]) -> dict[str, PairVotes]:
    return {key: {"follows": one[key]["follows"] + two[key]["follows"]} for key in one}


class Recorded:
    """The recorded verdicts of one judge on LLMBar: logits +1 and -1 by slot, as the judge gave them."""

    def __init__(self, folder: Path) -> None:
        rows = json.loads((folder / "natural-vanilla-result.json").read_text())
        self.published = json.loads((folder / "natural-vanilla-statistics.json").read_text())
        self.pairs = [a_pair(r["output_1"], r["output_2"], a_prompt(f"{i} {r['input']}")) for i, r in enumerate(rows)]
        self.gold = votes_in("ab", self.pairs, [1.0 if row["label"] == 1 else -1.0 for row in rows])
        self.ab = votes_in("ab", self.pairs, [self._slot(row, False) for row in rows])
        self.ba = votes_in("ba", self.pairs, [self._slot(row, True) for row in rows])

    @staticmethod
    def _slot(row: dict[str, Any], swapped: bool) -> float:
        """The file names the winning output; shown swapped, output 2 was in the first slot."""
        winner = row["results"][0][f"swap = {swapped}"]["winner"]
        return 1.0 if winner == ("2" if swapped else "1") else -1.0


@pytest.fixture(params=["ChatGPT", "LLaMA2"])
def recorded(request: pytest.FixtureRequest, shared_data: Path) -> Recorded:
    return Recorded(shared_data / "llmbar" / "recorded" / request.param)


def percent(text: str) -> int:
    """`83 / 100 = 83.0%` -> 83."""
    return int(text.split("/")[0])


def test_published_accuracy_in_each_order(recorded: Recorded) -> None:
    for votes, name in ((recorded.ab, "correct_False"), (recorded.ba, "correct_True")):
        found = compare_judges(recorded.pairs, CONSTITUTION, votes, recorded.gold)[0]
        assert (found.agreement.hits, found.agreement.n) == (percent(recorded.published[name]), 100)


def test_published_agreement_between_the_orders(recorded: Recorded) -> None:
    both = compare_judges(recorded.pairs, CONSTITUTION, merged(recorded.ab, recorded.ba), recorded.gold)[0]
    assert both.first.order_consistency.hits == percent(recorded.published["equal"])
    between = compare_judges(recorded.pairs, CONSTITUTION, recorded.ab, recorded.ba)[0]
    assert between.agreement.hits == percent(recorded.published["equal"])
    assert between.kappa.value == pytest.approx(recorded.published["kappa_agreement"], abs=1e-12)
    assert between.kappa.low < between.kappa.value < between.kappa.high


def test_both_orders_decide_where_they_agree(recorded: Recorded) -> None:
    """With equally sure orders, a pair is decided exactly where the judge names the same output twice."""
    both = compare_judges(recorded.pairs, CONSTITUTION, merged(recorded.ab, recorded.ba), recorded.gold)[0]
    equal = percent(recorded.published["equal"])
    assert (both.agreement.n, both.undecided) == (equal, 100 - equal)
    assert both.agreement.hits == percent(recorded.published["correct_both"])
    assert "better than chance" in verdict_on(both, "The model", "the annotators")


def test_wilson_interval() -> None:
    """Reference values: Newcombe 1998, table I (81 of 263, 15 of 148, 0 of 20, 1 of 29)."""
    for hits, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        found = rate(hits, n)
        assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert rate(0, 0).value is None
    assert rate(7, 7).high == 1.0


def test_kappa_by_hand() -> None:
    assert cohens_kappa(Table(20, 5, 10, 15)) == pytest.approx(0.4, abs=1e-15)  # p_o 0.7, p_e 0.5
    assert cohens_kappa(Table(5, 0, 0, 5)) == 1.0
    assert cohens_kappa(Table(0, 5, 5, 0)) == -1.0
    assert cohens_kappa(Table(9, 0, 0, 0)) is None
    assert cohens_kappa(Table(0, 0, 0, 0)) is None


def test_kappa_interval_is_the_pair_bootstrap() -> None:
    """The multinomial shortcut against resampling the pairs themselves."""
    import numpy as np

    from judge.agreement import bootstrapped_kappa, count_table

    table = Table(20, 5, 10, 15)
    cells = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    generator = np.random.default_rng(1)
    drawn = [cohens_kappa(count_table([cells[i] for i in generator.integers(50, size=50)])) for _ in range(2000)]
    low, high = np.quantile([value for value in drawn if value is not None], [0.025, 0.975])
    found = bootstrapped_kappa(table)
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    assert found == bootstrapped_kappa(table)


def numbered_pairs(count: int) -> list[Pair]:
    return [a_pair("one", "two", a_prompt(f"question {i}")) for i in range(count)]


def test_a_judge_of_positions_is_found_out() -> None:
    pairs = numbered_pairs(24)
    gold = votes_in("ab", pairs, [1.0, -1.0] * 12)
    strengths = [2.0 + i % 5 / 10 for i in range(24)]
    ab, ba = votes_in("ab", pairs, list(strengths)), votes_in("ba", pairs, [3.0] * 24)
    found = compare_judges(pairs, CONSTITUTION, gold, merged(ab, ba))[0]
    assert found.second.order_consistency.hits == 0
    assert found.second.first_slot.value == 1.0
    assert found.first.order_consistency.n == 0
    words = verdict_on(found, "The rules", "the small model")
    assert "cannot be told from chance" in words
    assert "The small model answers by position: it mostly prefers whatever it is shown first." in words


def test_undecided_and_failed_pairs_are_neither_agreement_nor_disagreement() -> None:
    pairs = numbered_pairs(5)
    first = votes_in("ab", pairs, [1.0, 0.0, 1.0, None, 1.0])
    second = votes_in("ab", pairs, [1.0, 1.0, 0.0, 1.0, -1.0])
    found = compare_judges(pairs, CONSTITUTION, first, second)[0]
    assert (found.pairs, found.undecided, found.agreement.hits, found.agreement.n) == (5, 2, 1, 2)
    assert (found.first.failed, found.second.failed, found.first.votes) == (1, 0, 5)
    assert found.first.first_slot.n == 3


def test_opposed_judges_and_silent_ones() -> None:
    pairs = numbered_pairs(20)
    up, down = votes_in("ab", pairs, [1.0] * 20), votes_in("ab", pairs, [-1.0] * 20)
    assert "opposed" in verdict_on(compare_judges(pairs, CONSTITUTION, up, down)[0])
    silent = verdict_on(compare_judges(pairs, CONSTITUTION, up, {})[0])
    assert silent == "The first judge and the second judge have no pair that both decide."


def test_only_pairs_in_scope_count() -> None:
    scoped: Constitution = a_constitution([FOLLOWS.model_copy(update={"scope": ("code",)})])
    pairs = [a_pair("one", "two", a_prompt(f"question {i}", ("code",) if i < 2 else ())) for i in range(5)]
    votes = votes_in("ab", pairs, [1.0] * 5)
    found = compare_judges(pairs, scoped, votes, votes)[0]
    assert (found.pairs, found.agreement.n, found.kappa.value) == (2, 2, None)
