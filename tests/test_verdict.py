"""Every malformed answer of a reasoning judge is a failure with its reason, never a verdict and never a tie."""

from __future__ import annotations

import json
import math
from typing import Literal

import pytest

from generate.engine import Completion, Readout
from judge.interface import Ask, Showing
from judge.llm import LOGIT_BOUND, direct_vote, reasoned_vote
from judge.verdict import NoVerdict, Verdict, read_verdict, verdict_within
from tests.judging import PRINCIPLES, a_constitution, a_pair, llm_judge

GOOD = '{"rationale": "A is shorter.", "verdict": "A"}'
MALFORMED = [
    ("", "empty"),
    (" \n\t", "empty"),
    ("A", "invalid_json"),
    ("The better response is A.", "invalid_json"),
    ("```json\n" + GOOD + "\n```", "invalid_json"),
    ("Sure! " + GOOD, "invalid_json"),
    (GOOD + " I hope this helps.", "invalid_json"),
    (GOOD + GOOD, "invalid_json"),
    ("{'rationale': 'x', 'verdict': 'A'}", "invalid_json"),
    ('{"rationale": "x", "verdict": "A",}', "invalid_json"),
    ('{"rationale": "x", "verdict": A}', "invalid_json"),
    ('{"rationale": "x", "verdict": NaN}', "invalid_json"),
    ('{"rationale": "x", "verdict": "A", "verdict": "B"}', "invalid_json"),
    ('{"rationale": "line\nbreak", "verdict": "A"}', "invalid_json"),
    ('{"rationale": "cut', "invalid_json"),
    ("[" * 100_000, "invalid_json"),
    ("null", "wrong_schema"),
    ('"A"', "wrong_schema"),
    ("0.5", "wrong_schema"),
    ("[" + GOOD + "]", "wrong_schema"),
    ("{}", "wrong_schema"),
    ('{"verdict": "A"}', "wrong_schema"),
    ('{"rationale": "x"}', "wrong_schema"),
    ('{"verdict": "A", "rationale": "decided first"}', "wrong_schema"),
    ('{"rationale": "x", "verdict": "A", "score": 9}', "wrong_schema"),
    ('{"rationale": "", "verdict": "A"}', "wrong_schema"),
    ('{"rationale": null, "verdict": "A"}', "wrong_schema"),
    ('{"rationale": ["x"], "verdict": "A"}', "wrong_schema"),
    (json.dumps({"rationale": "x" * 301, "verdict": "A"}), "wrong_schema"),
    ('{"Rationale": "x", "Verdict": "A"}', "wrong_schema"),
    ('{"rationale": "x", "verdict": "C"}', "off_menu"),
    ('{"rationale": "x", "verdict": "a"}', "off_menu"),
    ('{"rationale": "x", "verdict": " A"}', "off_menu"),
    ('{"rationale": "x", "verdict": "A or B"}', "off_menu"),
    ('{"rationale": "x", "verdict": "tie"}', "off_menu"),
    ('{"rationale": "x", "verdict": null}', "off_menu"),
    ('{"rationale": "x", "verdict": 0}', "off_menu"),
    ('{"rationale": "x", "verdict": ["A"]}', "off_menu"),
    ('{"rationale": "x", "verdict": "А"}', "off_menu"),  # a Cyrillic letter
]


def an_ask() -> Ask:
    judge, pair = llm_judge(a_constitution()), a_pair("one", "two")
    return Ask(judge.request(pair, PRINCIPLES[0], Showing("ab")), pair, PRINCIPLES[0])


@pytest.mark.parametrize(("text", "reason"), MALFORMED)
def test_a_malformed_answer_fails_with_its_reason(text: str, reason: str) -> None:
    assert read_verdict(text, "stop") == NoVerdict(reason)
    vote = reasoned_vote(an_ask(), Completion(text, "stop", 7, 50), 0.8)
    assert (vote.state, vote.reason, vote.logit, vote.raw) == ("failed", reason, None, text)


@pytest.mark.parametrize("text", [GOOD[:n] for n in range(1, len(GOOD))])
def test_an_answer_cut_anywhere_is_truncated(text: str) -> None:
    assert read_verdict(text, "length") == NoVerdict("truncated")


def test_a_complete_object_at_the_token_limit_is_complete() -> None:
    assert isinstance(read_verdict(GOOD, "length"), Verdict)


@pytest.mark.parametrize(("letter", "sign"), [("A", 1), ("B", -1)])
def test_a_verdict_becomes_the_clamped_logit(letter: str, sign: int) -> None:
    text = f' {{ "rationale": "It is shorter.", "verdict": "{letter}" }}\n'
    vote = reasoned_vote(an_ask(), Completion(text, "stop", 21, 90), 0.8)
    assert vote.logit == pytest.approx(sign * math.log(4), abs=1e-12)
    assert (vote.state, vote.rationale, vote.tokens_in, vote.tokens_out) == ("valid", "It is shorter.", 90, 21)


def test_the_schema_puts_the_rationale_first() -> None:
    assert list(Verdict.model_json_schema()["properties"]) == ["rationale", "verdict"]


@pytest.mark.parametrize(
    ("logps", "missing", "state", "expected"),
    [
        ((math.log(0.6), math.log(0.2)), 0.2, "valid", math.log(3)),
        ((math.log(0.5), -math.inf), 0.5, "valid", LOGIT_BOUND),
        ((-math.inf, -0.1), 0.0, "valid", -LOGIT_BOUND),
        ((math.log(4e-5), math.log(5e-5)), 1.0, "failed", "no_label_mass"),
        ((-math.inf, -math.inf), 1.0, "failed", "no_label_mass"),
        ((math.nan, -1.0), 0.0, "failed", "not_a_number"),
    ],
)
def test_direct_read_out(
    logps: tuple[float, float], missing: float, state: Literal["valid", "failed"], expected: float | str
) -> None:
    vote = direct_vote(an_ask(), Readout(logps, missing, 40))
    assert vote.state == state
    if isinstance(expected, str):
        assert (vote.reason, vote.logit) == (expected, None)
    else:
        assert vote.logit == pytest.approx(expected, abs=1e-12)
        assert vote.missing_mass == missing


def test_a_shorter_rationale_can_be_asked_and_is_then_required() -> None:
    asked = verdict_within(10)
    assert asked.model_json_schema()["properties"]["rationale"]["maxLength"] == 10
    assert list(asked.model_json_schema()["properties"]) == ["rationale", "verdict"]
    short, long = '{"rationale": "short", "verdict": "A"}', '{"rationale": "eleven char", "verdict": "A"}'
    assert isinstance(read_verdict(short, "stop", asked), Verdict)
    assert read_verdict(long, "stop", asked) == NoVerdict("wrong_schema")
    assert isinstance(read_verdict(long, "stop"), Verdict)
