"""Every malformed answer of a reasoning judge is a failure with its reason, never a verdict and never a tie."""

from __future__ import annotations

import json
import math
import time
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hostile.verdicts import GOOD, MALFORMED
from generate.engine import Completion, Readout
from judge.interface import Ask, Showing
from judge.reading import LOGIT_BOUND, RAW_CHARS, direct_vote, reasoned_vote
from judge.reasons import kind_of
from judge.records import Vote
from judge.verdict import ANSWER_CHARS, FreeVerdict, NoVerdict, Rationale, Verdict, read_verdict, within
from tests.judging import PRINCIPLES, a_constitution, a_pair, llm_judge


def an_ask() -> Ask:
    judge, pair = llm_judge(a_constitution()), a_pair("one", "two")
    return Ask(judge.request(pair, PRINCIPLES[0], Showing("ab")), pair, PRINCIPLES[0])


@pytest.mark.parametrize(("text", "reason"), MALFORMED)
def test_a_malformed_answer_fails_with_its_reason(text: str, reason: str) -> None:
    assert read_verdict(text, "stop") == NoVerdict(reason)
    vote = reasoned_vote(an_ask(), Completion(text, "stop", 7, 50), 0.8)
    assert (vote.state, vote.reason, vote.logit) == ("failed", reason, None)
    assert vote.raw is not None
    assert vote.raw == text or len(vote.raw) < RAW_CHARS + 100 < len(text)
    assert Vote.model_validate_json(vote.model_dump_json()) == vote


def test_no_answer_takes_long() -> None:
    """A megabyte of anything, and whatever is just short enough to be parsed."""
    pieces = ["[", "{", '{"a":', '"', "\\", "9", "A", "```", GOOD, "I'm sorry ", " ", "\U0001f170", "((((", "[{"]
    started = time.perf_counter()
    for piece in pieces:
        for size in (ANSWER_CHARS, 10**6):
            assert isinstance(read_verdict((piece * size)[:size], "stop"), NoVerdict)
    assert time.perf_counter() - started < 2


def test_half_a_character_from_a_server_can_be_stored() -> None:
    vote = reasoned_vote(an_ask(), Completion("well \ud83c", "stop", 7, 50), 0.8)
    assert Vote.model_validate_json(vote.model_dump_json()).raw == "well ?"


@settings(deadline=None, max_examples=60)
@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_no_verdict_is_a_failure(text: str) -> None:
    vote = reasoned_vote(an_ask(), Completion(text, "stop", 7, 50), 0.8)
    assert (vote.state, vote.logit) == ("failed", None)
    assert vote.reason is not None
    Vote.model_validate_json(vote.model_dump_json())


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
    asked = within(Verdict, 10)
    assert asked.model_json_schema()["properties"]["rationale"]["maxLength"] == 10
    assert list(asked.model_json_schema()["properties"]) == ["rationale", "verdict"]
    short, long = '{"rationale": "short", "verdict": "A"}', '{"rationale": "eleven char", "verdict": "A"}'
    assert isinstance(read_verdict(short, "stop", asked), Verdict)
    assert read_verdict(long, "stop", asked) == NoVerdict("too_long_rationale")
    assert isinstance(read_verdict(long, "stop"), Verdict)


def test_an_abstention_is_a_state_of_its_own_and_only_where_it_is_allowed() -> None:
    text = '{"rationale": "They are alike.", "verdict": "neither"}'
    vote = reasoned_vote(an_ask(), Completion(text, "stop", 7, 50), 0.8, within(FreeVerdict, 300))
    assert (vote.state, vote.reason, vote.logit, vote.rationale) == ("abstain", "neither", None, "They are alike.")
    assert vote.settled
    assert kind_of("neither") == "abstained"
    assert reasoned_vote(an_ask(), Completion(text, "stop", 7, 50), 0.8).reason == "off_menu"


def test_reasons_alone_are_read_by_their_own_type() -> None:
    asked = within(Rationale, 20)
    assert read_verdict('{"rationale": "It is shorter."}', "stop", asked) == asked(rationale="It is shorter.")
    assert read_verdict(GOOD, "stop", asked) == NoVerdict("wrong_schema")
    assert read_verdict('{"rationale": "cut', "length", asked) == NoVerdict("truncated")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("timeout", "transport"), ("busy", "transport"), ("server_error", "transport"), ("too_long", "too_long"),
        ("refused", "refused"), ("truncated", "truncated"), ("prose", "invalid"), ("no_label_mass", "invalid"),
    ],
)  # fmt: skip
def test_reasons_have_kinds_and_only_transport_is_asked_again(reason: str, kind: str) -> None:
    vote = Vote(request=an_ask().request, state="failed", reason=reason)
    assert kind_of(reason) == kind
    assert vote.settled == (kind != "transport")
    assert vote.worth_retrying
