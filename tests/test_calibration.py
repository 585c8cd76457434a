"""Temperatures of simulated judges are recovered; what is refused; what a stored calibration does to labels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from constitution.errors import DataError, JudgeError
from constitution.identity import seed_from
from constitution.model import Principle
from generate.records import Pair
from judge.ask import PairVotes
from judge.calibrate import FOLDS, T_MAX, Evidence, _cross_fitted, bounded, calibrate, lean_of
from judge.calibration import Applied, Calibration, Method, applicable, applied, calibrated, read_calibration
from judge.evidence import batch_evidence, swap_evidence
from judge.interface import Judge
from judge.labels import Preference, label_pair, preference, relabel, view
from judge.resampling import Floats
from judge.scores import sigmoid
from judge.temperature import Labelled, fit_slopes
from tests.judging import PRINCIPLES, a_constitution, a_pair, a_prompt, a_vote, llm_judge

CONSTITUTION = a_constitution(PRINCIPLES[:3])
JUDGE = llm_judge(CONSTITUTION)
ONE_ORDER = llm_judge(CONSTITUTION, orders="ab")
MADE = "2026-01-01T00:00:00+00:00"


def a_judge(n: int, temperature: float, seed: int = 0, per_prompt: int = 1) -> Labelled:
    """Logits `temperature` times too large for the labels that come with them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, n)
    gold = (generator.random(n) < sigmoid(logits)).astype(float)
    return Labelled(logits * temperature, gold, tuple(f"prompt {i // per_prompt}" for i in range(n)))


def evidence(*labelled: Labelled) -> list[Evidence]:
    return [Evidence(principle, rows, None) for principle, rows in zip(PRINCIPLES, labelled, strict=False)]


def fitted(*labelled: Labelled, method: Method = "gold") -> Calibration:
    return calibrate(JUDGE, method, evidence(*labelled), MADE)


def temperatures(found: Calibration) -> list[float]:
    return [entry.temperature.value for entry in found.principles]


def test_known_temperatures_are_within_their_intervals_at_about_the_nominal_rate() -> None:
    """40 judges of three principles with T of 2, 3 and 4."""
    hits = 0
    for seed in range(40):
        groups = [a_judge(120, t, seed * 3 + k) for k, t in enumerate((2.0, 3.0, 4.0))]
        slopes = fit_slopes(groups)
        hits += sum(s.low <= 1 / t <= s.high for s, t in zip(slopes, (2.0, 3.0, 4.0), strict=True))
    assert 107 <= hits <= 120  # 114 expected; below 107 or at 120 has a chance of about 1 in 200 each


def test_pairs_of_one_prompt_do_not_count_as_independent() -> None:
    """Every pair six times under one prompt is no more evidence than once."""
    once = a_judge(100, 3.0)
    six = Labelled(np.repeat(once.logits_N, 6), np.repeat(once.gold_N, 6), tuple(np.repeat(once.prompts, 6)))
    alone, repeated = fit_slopes([once])[0], fit_slopes([six])[0]
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.1)
    independent = fit_slopes([six._replace(prompts=tuple(str(i) for i in range(600)))])[0]
    assert (independent.high - independent.low) < 0.6 * (repeated.high - repeated.low)


def test_a_principle_with_few_labels_leans_on_the_others_by_a_stated_amount() -> None:
    many, few = a_judge(300, 3.0), a_judge(8, 3.0, seed=1)
    found = fitted(many, few).principles
    assert found[0].own > 0.9 > 0.5 > found[1].own
    assert (found[1].temperature.low or 0) < 3 < (found[1].temperature.high or 0)
    assert "drawn from the judge's other principles" in found[1].note
    assert found[0].labels == 300
    assert found[1].labels == 8


def test_calibration_improves_an_over_confident_judge_on_prompts_it_was_not_fitted_on() -> None:
    found = fitted(a_judge(300, 4.0), a_judge(300, 4.0, seed=1))
    assert found.scores is not None
    assert (found.scores.log_loss_change.high or 0) < 0
    assert (found.scores.brier_change.high or 0) < 0
    assert (found.scores.after.ece.value or 1) < (found.scores.before.ece.low or 0)
    assert found.scores.before.accuracy == found.scores.after.accuracy, "dividing changes no side"
    assert found.folds == 5


def test_a_judge_at_chance_is_called_that_and_gets_the_bound() -> None:
    guess = a_judge(200, 1.0)._replace(gold_N=np.random.default_rng(9).integers(0, 2, 200).astype(float))
    entry = fitted(guess).principles[0]
    assert (entry.at_chance, entry.temperature.value, entry.temperature.high) == (True, T_MAX, T_MAX)
    assert "cannot be told from chance" in entry.note
    assert "would have been seen" in entry.note
    worse = a_judge(200, 1.0)
    assert fitted(worse._replace(gold_N=1 - worse.gold_N)).principles[0].temperature.value == T_MAX


def test_a_perfect_judge_has_a_finite_temperature() -> None:
    logits = np.linspace(-2, 2, 100)
    found = fitted(Labelled(logits, (logits > 0).astype(float), tuple(str(i) for i in range(100))))
    assert 0.05 <= found.principles[0].temperature.value < 0.5


def test_what_is_refused() -> None:
    none = Labelled(np.array([]), np.array([]), ())
    ties = Labelled(np.ones(5), np.full(5, 0.5), ("p",) * 5)
    silent = Labelled(np.zeros(5), np.ones(5), ("p",) * 5)
    found = fitted(none, ties, silent)
    assert found.principles == ()
    assert [refusal.reason for refusal in found.refused] == [
        "no pair has both a valid vote and a label on it",
        "no label on it prefers either response",
        "the judge prefers neither response of any labelled pair",
    ]
    assert "29 decided labels over all principles are too few" in fitted(a_judge(29, 2.0)).refused[0].reason
    assert len(fitted(a_judge(30, 2.0)).principles) == 1
    partly = fitted(a_judge(40, 2.0), none)
    assert ([e.principle for e in partly.principles], partly.refused[0].principle) == (["brief"], "no-lists")


def test_neither_the_order_of_rows_nor_of_principles_changes_a_record() -> None:
    one, two = a_judge(60, 3.0), a_judge(50, 2.0, seed=1)
    order = np.random.default_rng(0).permutation(60)
    turned = Labelled(one.logits_N[order], one.gold_N[order], tuple(one.prompts[i] for i in order))
    straight = calibrate(JUDGE, "gold", evidence(one, two), MADE)
    again = calibrate(JUDGE, "gold", list(reversed(evidence(turned, two))), MADE)
    assert straight.data == again.data
    for entry, other in zip(straight.principles, reversed(again.principles), strict=True):
        assert entry.temperature.value == pytest.approx(other.temperature.value, rel=1e-9)
        assert entry.labels == other.labels


def both_orders(pairs: list[Pair], first: Floats, second: Floats) -> dict[str, PairVotes]:
    """Votes under the first principle; each logit is for the response shown first."""
    return {
        pair.key: {
            PRINCIPLES[0].id: (
                a_vote(JUDGE, pair, PRINCIPLES[0], "ab", float(ab)),
                a_vote(JUDGE, pair, PRINCIPLES[0], "ba", float(ba)),
            )
        }
        for pair, ab, ba in zip(pairs, first, second, strict=True)
    }


def some(count: int) -> list[Pair]:
    return [a_pair("one", "two", a_prompt(f"question {i}")) for i in range(count)]


def test_order_swap_finds_how_sure_the_judge_is_of_itself_whatever_its_lean() -> None:
    """The other order's verdict is drawn with sigma(x / 3): T is 3. A lean of 5 to the first slot changes nothing."""
    generator, pairs = np.random.default_rng(2), some(400)
    x = generator.normal(0, 6, 400)
    y = np.where(generator.random(400) < sigmoid(x / 3), 1.0, -1.0) * np.abs(x)
    found = [
        calibrate(
            JUDGE, "order_swap", swap_evidence(pairs, PRINCIPLES[:1], both_orders(pairs, x + lean, lean - y)), MADE
        )
        for lean in (0.0, 5.0)
    ]
    low, high = found[0].principles[0].temperature.low, found[0].principles[0].temperature.high
    assert (low or 9) < 3 < (high or 0)
    assert temperatures(found[1]) == pytest.approx(temperatures(found[0]), rel=1e-6)
    assert found[0].principles[0].labels == 800
    assert "own verdicts in the other order" in found[0].principles[0].note


def test_consistency_never_adds_confidence_and_position_alone_has_none() -> None:
    pairs, generator = some(80), np.random.default_rng(4)
    x = generator.normal(0, 0.5, 80)
    steady = calibrate(JUDGE, "order_swap", swap_evidence(pairs, PRINCIPLES[:1], both_orders(pairs, x, -x)), MADE)
    assert temperatures(steady) == [1.0]
    by_slot = both_orders(pairs, 3 + x, 3 + generator.normal(0, 0.5, 80))
    found = calibrate(JUDGE, "order_swap", swap_evidence(pairs, PRINCIPLES[:1], by_slot), MADE)
    assert found.principles[0].at_chance


def test_batch_calibration_takes_the_mean_lean_out_of_one_order() -> None:
    pairs = some(4)
    votes = {
        pair.key: {PRINCIPLES[0].id: (a_vote(ONE_ORDER, pair, PRINCIPLES[0], "ab", logit),)}
        for pair, logit in zip(pairs, (4.0, 2.0, 1.0, 1.0), strict=True)
    }
    found = calibrate(ONE_ORDER, "batch", batch_evidence(pairs, PRINCIPLES[:1], ONE_ORDER, votes), MADE)
    entry = found.principles[0]
    assert (entry.bias.value if entry.bias else None, entry.temperature.value, entry.scores) == (2.0, 1.0, None)
    assert [calibrated(logit, entry) for logit in (4.0, 2.0, 1.0)] == [2.0, 0.0, -1.0]


def test_with_gold_a_lean_is_not_what_gold_itself_prefers() -> None:
    """Three in four pairs prefer `a` by 1; the judge adds 2: the class means are 3 and 1, the lean 2, not 2.5."""
    gold = np.array([1.0, 1.0, 1.0, 0.0] * 10)
    labelled = Labelled(np.where(gold == 1, 3.0, 1.0), gold, tuple(str(i) for i in range(40)))
    assert lean_of(labelled, gold=True).value == pytest.approx(2.0)
    assert lean_of(labelled._replace(gold_N=np.ones(40)), gold=True).value is None


def test_scores_after_use_nothing_of_their_own_fold() -> None:
    generator = np.random.default_rng(3)
    gold = (generator.random(60) < 0.5).astype(float)
    labelled = Labelled(generator.normal(0, 2, 60) + 4 * gold, gold, tuple(f"prompt {i}" for i in range(60)))
    found = _cross_fitted([Evidence(PRINCIPLES[0], labelled, lean_of(labelled, gold=True))], "gold")[0]
    folds = np.array([seed_from("fold", prompt) % FOLDS for prompt in labelled.prompts])
    for fold in range(FOLDS):
        mine = folds == fold
        rest = Labelled(
            labelled.logits_N[~mine],
            gold[~mine],
            tuple(prompt for prompt, own in zip(labelled.prompts, mine, strict=True) if not own),
        )
        lean = lean_of(rest, gold=True).value or 0.0
        t = bounded(fit_slopes([rest._replace(logits_N=rest.logits_N - lean)])[0], "gold").value
        assert found[mine] == pytest.approx((labelled.logits_N[mine] - lean) / t)


def entry_for(judge: Judge, principle: Principle, temperature: float) -> Calibration:
    found = calibrate(judge, "gold", [Evidence(principle, a_judge(60, 3.0), None)], MADE)
    entry = found.principles[0]
    fixed = entry.temperature.model_copy(update={"value": temperature})
    return found.model_copy(update={"principles": (entry.model_copy(update={"temperature": fixed}),)})


def on(calibration: Calibration, judge: Judge, *principles: Principle) -> Applied:
    return applied(*applicable(calibration, "cal.json", judge, principles))


def test_a_label_is_calibrated_at_one_place_and_says_so() -> None:
    principle = PRINCIPLES[0]
    constitution = a_constitution(PRINCIPLES[:2])
    judge = llm_judge(constitution)
    pair = some(1)[0]
    votes = {p.id: tuple(a_vote(judge, pair, p, o, x) for o, x in (("ab", 3.0), ("ba", 1.0))) for p in PRINCIPLES[:2]}
    acting = on(entry_for(judge, principle, 4.0), judge, *PRINCIPLES[:2])
    raw, label = label_pair(pair, votes, constitution, judge), label_pair(pair, votes, constitution, judge, acting)
    assert view(votes["brief"], principle, judge, acting) == Preference(0.25, 2.0)
    assert [share.p for share in label.shares] == [1 / (1 + math.exp(-0.25)), raw.shares[1].p]
    assert (raw.calibration, label.calibration) == (None, acting.digest)
    assert acting.notes == (
        "no-lists is not calibrated by cal.json: it is not in the file; its votes are taken as they are",
    )
    assert relabel(label, constitution) == label
    assert preference(votes["brief"], judge.showings(principle)) == Preference(1.0, 2.0), "votes are never changed"
    other = on(entry_for(judge, principle, 5.0), judge, *PRINCIPLES[:2])
    assert other.digest != acting.digest


def test_a_calibration_of_another_judge_or_of_other_showings_is_refused() -> None:
    stored = entry_for(JUDGE, PRINCIPLES[0], 2.0)
    other = llm_judge(CONSTITUTION, template="small")
    with pytest.raises(JudgeError, match=r"made for another judge .*preceptor calibrate RUN.yaml --judge llm"):
        applicable(stored, "cal.json", other, PRINCIPLES[:1])
    with pytest.raises(JudgeError, match="showings ab0, ba0"):
        applicable(stored, "cal.json", ONE_ORDER, PRINCIPLES[:1])


def test_a_principle_whose_text_has_changed_is_not_calibrated_and_that_is_said() -> None:
    edited = PRINCIPLES[0].model_copy(update={"text": "The answer is very short."})
    entries, notes = applicable(entry_for(JUDGE, PRINCIPLES[0], 2.0), "cal.json", JUDGE, [edited])
    assert entries == {}
    assert "its meaning has changed since" in notes[0]


def test_the_record_is_read_back_or_refused(tmp_path: Path) -> None:
    stored, file = entry_for(JUDGE, PRINCIPLES[0], 2.0), tmp_path / "cal.json"
    file.write_text(stored.model_dump_json(), encoding="utf-8")
    assert read_calibration(file) == stored
    with pytest.raises(DataError, match="no calibration can be read there"):
        read_calibration(tmp_path / "none.json")
    file.write_text(stored.model_dump_json().replace('"schema_version":1', '"schema_version":2'), encoding="utf-8")
    with pytest.raises(DataError, match="not a calibration of version 1"):
        read_calibration(file)


def test_bounds() -> None:
    slope = fit_slopes([a_judge(400, 1.0)])[0]
    assert bounded(slope._replace(value=1e9, high=1e9), "gold").value == 0.05
    assert bounded(slope._replace(value=2.0), "order_swap").value == 1.0
    assert bounded(slope._replace(value=1e-9), "gold").value == T_MAX
