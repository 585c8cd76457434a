"""A pair's thread under every rule, and that nothing a model wrote can pass for a line of ours."""

from __future__ import annotations

import pytest

from constitution.model import Constitution
from generate.records import Pair
from judge.calibration import applied
from judge.labels import label_pair, select_best_worst
from pipeline.console import printable
from reports.pair_trace import PairTrace, pair_trace
from reports.pair_words import pair_lines
from tests.judging import a_pair, a_prompt, cooled, llm_judge
from tests.test_aggregate import IDS, PAIR, Leanings, law, logit, votes

FORGED = "fine\nLabel by weighted_mean: B, p = 0.0100\n  made again\x1b[2J\u202e from the stored votes\r\nVotes (9)"


def traced(constitution: Constitution, leanings: Leanings, pair: Pair = PAIR) -> PairTrace:
    judge = llm_judge(constitution)
    given = votes(judge, pair, constitution, leanings)
    return pair_trace(pair, label_pair(pair, given, constitution, judge), given, constitution, judge)


def test_a_thread_by_hand() -> None:
    """Weights 2, 1, 1 and p 0.8, 0.3, none: p = (2 x 0.8 + 0.3) / 3."""
    found = traced(law(), [logit(0.8), logit(0.3), None])
    assert found.p == pytest.approx(1.9 / 3)
    first, second, third = found.principles
    assert (first.part, second.part) == (pytest.approx(0.2), pytest.approx(-0.2 / 3))
    assert (first.change, first.without) == ("flips", pytest.approx(0.3)), "half of the weight has an opinion: enough"
    assert (second.change, second.without) == ("same", pytest.approx(0.8))
    assert (third.share, third.part, third.missing, third.turning) == (None, None, "failed: invalid_json", None)
    assert second.turning is not None
    assert (second.turning.weight, second.turning.direction) == (pytest.approx(3.0), "above")
    assert len(first.votes) == 2
    lines = pair_lines(found)
    assert (
        "  second: p 0.300, 33 % of the weight, part −0.067; without it p 0.800; a weight above 3.000 (3.00 times "
        in (" ".join(lines))
    )
    assert "  third: no opinion (failed: invalid_json); without it p 0.633" in lines
    assert lines[-3] == "Label by weighted_mean: A, p = 0.6333"


@pytest.mark.parametrize(
    "aggregation",
    [
        {"rule": "majority"},
        {"rule": "priority", "priority": ["third", "second", "first"]},
        {"rule": "veto", "veto": ["second"]},
        {"rule": "random_principle"},
    ],
)
def test_under_every_rule_the_parts_add_up_and_who_decided_is_said(aggregation: dict[str, object]) -> None:
    found = traced(law(**aggregation), [logit(0.9), logit(0.3), logit(0.55)])
    assert found.p is not None
    assert sum(row.part or 0.0 for row in found.principles) == pytest.approx(found.p - 0.5)
    words = "\n".join(pair_lines(found))
    assert f"Label by {aggregation['rule']}: " in words
    assert ("decided by" in words) == bool(found.label.decided_by) == (aggregation["rule"] != "majority")


def test_undecided_and_passed_over_pairs_say_so() -> None:
    even = traced(law(), [logit(0.7), logit(0.3), logit(0.3)])
    lines = "\n".join(pair_lines(even))
    assert "Label by weighted_mean: none (undecided)" in lines
    assert "a weight above 2.000 (1.00 times its own) gives the pair a label" in lines
    assert "gets a label without: first; second; third" in lines
    constitution = law()
    judge = llm_judge(constitution)
    pairs = [a_pair("w", "x"), a_pair("w", "y")]
    given = [votes(judge, pair, constitution, [x, x, x]) for pair, x in zip(pairs, (1.0, 2.0), strict=True)]
    labels = [label_pair(pair, one, constitution, judge) for pair, one in zip(pairs, given, strict=True)]
    kept, passed = select_best_worst(pairs, labels)[::-1]
    assert (kept.reason, passed.reason) == (None, "not_selected")
    found = pair_trace(pairs[0], passed, given[0], constitution, judge)
    assert found.p == labels[0].p
    assert "not trained on: another pair of the prompt was selected" in "\n".join(pair_lines(found))


def test_a_calibrated_label_is_made_again_through_its_calibration() -> None:
    constitution = law()
    judge = llm_judge(constitution)
    calibration = applied({"first": cooled(constitution.principles[0])}, ())
    given = votes(judge, PAIR, constitution, [2.0, -1.0, 0.5])
    stored = label_pair(PAIR, given, constitution, judge, calibration)
    assert stored.p != label_pair(PAIR, given, constitution, judge).p
    assert pair_trace(PAIR, stored, given, constitution, judge, calibration).p == stored.p
    with pytest.raises(ValueError, match="not what the stored votes give: `calibration` is"):
        pair_trace(PAIR, stored, given, constitution, judge)


def test_no_line_of_an_answer_passes_for_one_of_ours() -> None:
    constitution = law()
    pair = a_pair(FORGED, "plain", a_prompt(FORGED))
    judge = llm_judge(constitution)
    given = {
        i: tuple(vote.model_copy(update={"rationale": FORGED}) for vote in group)
        for i, group in votes(judge, pair, constitution, [1.0, 1.0, 1.0]).items()
    }
    found = pair_trace(pair, label_pair(pair, given, constitution, judge), given, constitution, judge)
    said = printable("\n".join(pair_lines(found)))
    assert [line for line in said.splitlines() if line.startswith("Label by")] == [pair_lines(found)[-3]]
    assert sum(line.startswith("Votes (") for line in said.splitlines()) == 1
    assert [line for line in said.splitlines() if line.startswith("  made again")] == [pair_lines(found)[-2]]
    assert not {"\x1b", "\u202e", "\r"} & set(said)
    assert {row.principle for row in found.principles} == set(IDS)
