"""Agreement between judges: by hand, and against what the authors of LLMBar published for two real judges."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from constitution.model import Constitution, Principle
from generate.records import Pair
from judge.agreement import Leaning, compare_judges, detectable_agreement, rate, verdict_on
from judge.ask import PairVotes
from judge.interface import Judge
from judge.kappa import Table, cohens_kappa
from judge.records import Order
from judge.resampling import Score
from judge.scores import kappa
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


def test_pairs_of_one_prompt_make_the_interval_no_narrower() -> None:
    """Four pairs a prompt that all go alike say as much as one: the same share, and an interval as of 20 pairs."""
    alone = rate(Leaning(f"prompt {i}", i < 14) for i in range(20))
    fourfold = rate(Leaning(f"prompt {i % 20}", i % 20 < 14) for i in range(80))
    assert (alone.hits, alone.n, fourfold.hits, fourfold.n, fourfold.clusters) == (14, 20, 56, 80, 20)
    assert (fourfold.low, fourfold.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    assert rate([]).value is None


def test_what_could_have_been_detected() -> None:
    """1/2 + 2.8016 * 1/2 / sqrt(n): 78.0 % of 25 prompts, 64.0 % of 100."""
    found = [detectable_agreement(rate(Leaning(str(i), i % 2 == 0) for i in range(n))) for n in (25, 100)]
    assert found == [pytest.approx(0.7802, abs=1e-4), pytest.approx(0.6401, abs=1e-4)]


def count_table(verdicts: Iterable[tuple[bool, bool]]) -> Table:
    """The 2 x 2 table of (first judge prefers a, second judge prefers a)."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for verdict in verdicts:
        counts[verdict] += 1
    return Table(*counts.values())


def test_kappa_by_hand() -> None:
    assert cohens_kappa(Table(20, 5, 10, 15)) == pytest.approx(0.4, abs=1e-15)  # p_o 0.7, p_e 0.5
    assert cohens_kappa(Table(5, 0, 0, 5)) == 1.0
    assert cohens_kappa(Table(0, 5, 5, 0)) == -1.0
    assert cohens_kappa(Table(9, 0, 0, 0)) is None
    assert cohens_kappa(Table(0, 0, 0, 0)) is None


def test_kappa_interval_is_a_bootstrap_over_prompts() -> None:
    """Against resampling the prompts themselves, two pairs a prompt."""
    import numpy as np

    cells = [(True, True)] * 20 + [(True, False)] * 6 + [(False, True)] * 10 + [(False, False)] * 14
    pairs = [a_pair("one", f"two {i}", a_prompt(f"question {i // 2}")) for i in range(50)]
    one, two = ([1.0 if cell[side] else -1.0 for cell in cells] for side in (0, 1))
    found = compare_judges(pairs, CONSTITUTION, votes_in("ab", pairs, one), votes_in("ab", pairs, two))[0].kappa
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        prompts = generator.integers(25, size=25)
        drawn.append(cohens_kappa(count_table([cells[2 * i + j] for i in prompts for j in (0, 1)])))
    low, high = np.quantile([value for value in drawn if value is not None], [0.025, 0.975])
    assert found.value == cohens_kappa(count_table(cells))
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    assert found.clusters == 25


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


def test_what_one_pair_says_is_neither_chance_nor_an_interval() -> None:
    pairs = numbered_pairs(4)
    one, other = votes_in("ab", pairs[:1], [1.0]), votes_in("ab", pairs[:1], [-1.0])
    alone = compare_judges(pairs[:1], CONSTITUTION, one, other)[0]
    assert verdict_on(alone, "one", "two") == (
        "one and two cannot be told from chance: they agree on 0 % of 1 pair [0, 79]; with so few, no agreement would "
        "be sure to show."
    )
    of_one_prompt = [a_pair("one", f"two {i}", a_prompt("question")) for i in range(4)]
    found = kappa([1, 1, 0, 0], [1, 0, 0, 0], [pair.prompt.key for pair in of_one_prompt])
    assert found == Score(value=0.5, low=None, high=None, n=4, clusters=1)
    assert kappa([1, 1, 0, 0], [1, 0, 0, 0]).low is not None


def test_only_pairs_in_scope_count() -> None:
    scoped: Constitution = a_constitution([FOLLOWS.model_copy(update={"scope": ("code",)})])
    pairs = [a_pair("one", "two", a_prompt(f"question {i}", ("code",) if i < 2 else ())) for i in range(5)]
    votes = votes_in("ab", pairs, [1.0] * 5)
    found = compare_judges(pairs, scoped, votes, votes)[0]
    assert (found.pairs, found.agreement.n, found.kappa.value) == (2, 2, None)
