"""Recorded opinions as votes: found by content, combined as documented, and never made up."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.errors import ConfigError, DataError, JudgeError
from constitution.model import Constitution, Principle
from constitution.store import Store
from generate.records import Message, Pair
from judge.ask import collect_votes, judge_pairs, plan_votes
from judge.interface import Ask, Judge, Showing
from judge.judges import open_judge
from judge.labels import Missing, Preference, preference
from judge.opinions import Heard, Opinion, Opinions, bounded_logit, read_opinions
from judge.records import Vote
from judge.settings import RecordedJudge
from tests.judging import a_constitution, a_pair, a_prompt, some_pairs

KIND = Principle(id="kind", text="The answer is kind.")
RUDE = Principle(id="rude", text="The answer is rude.", polarity="against")
LAW = a_constitution([KIND, RUDE])
PAIR = a_pair("Of course.", "No.")
SWAPPED = Pair(prompt=PAIR.prompt, a=PAIR.b, b=PAIR.a)
TEXTS = {"prompt": PAIR.prompt.prompt, "a": "Of course.", "b": "No."}


def write(folder: Path, *opinions: dict[str, Any]) -> Path:
    path = folder / "opinions.jsonl"
    path.write_text("".join(json.dumps(opinion) + "\n" for opinion in opinions), encoding="utf-8")
    return path


def judge_of(path: Path, law: Constitution = LAW, **settings: object) -> Judge:
    chosen = RecordedJudge.model_validate({"kind": "recorded", "file": str(path)} | settings)
    return open_judge("crowd", chosen, law)


def votes(judge: Judge, pair: Pair = PAIR, principle: Principle = KIND) -> list[Vote]:
    showings = judge.showings(principle)
    return judge.vote([Ask(judge.request(pair, principle, showing), pair, principle) for showing in showings])


def view(judge: Judge, pair: Pair = PAIR, principle: Principle = KIND) -> Preference | Missing:
    return preference(votes(judge, pair, principle), judge.showings(principle))


def p_of(judge: Judge, pair: Pair = PAIR, principle: Principle = KIND) -> float:
    found = view(judge, pair, principle)
    assert isinstance(found, Preference)
    return found.p


@pytest.mark.parametrize("named", [TEXTS, {"pair": PAIR.key}])
def test_a_verdict_is_found_by_content_or_key_in_either_order(tmp_path: Path, named: dict[str, Any]) -> None:
    judge = judge_of(write(tmp_path, named | {"verdict": "a"}), confidence=0.9)
    assert p_of(judge) == pytest.approx(0.9)
    assert p_of(judge, SWAPPED) == pytest.approx(0.1)


def test_a_conversation_is_found_by_its_messages(tmp_path: Path) -> None:
    turns = [
        Message(role="user", content="x"),
        Message(role="assistant", content="y"),
        Message(role="user", content="z"),
    ]
    pair = a_pair("1", "2", a_prompt(turns=turns))
    said = {"messages": [turn.model_dump() for turn in turns], "a": "1", "b": "2", "p": 0.3}
    assert p_of(judge_of(write(tmp_path, said)), pair) == pytest.approx(0.3)


def test_several_voices_count_as_the_mean_of_their_probabilities(tmp_path: Path) -> None:
    said = [{"verdict": "a"}, {"verdict": "tie"}, {"p": 0.2}, {"logit": math.log(3)}, {"verdict": "abstain"}]
    judge = judge_of(write(tmp_path, *(TEXTS | one for one in said)))
    (vote,) = votes(judge)
    assert p_of(judge) == pytest.approx((0.8 + 0.5 + 0.2 + 0.75) / 4)
    assert json.loads(vote.raw or "") | {"p_of_a": None} == {"n": 4, "abstained": 1, "p_of_a": None}


def test_a_tie_is_a_vote_and_an_abstention_is_not(tmp_path: Path) -> None:
    assert p_of(judge_of(write(tmp_path, TEXTS | {"verdict": "tie"}))) == 0.5
    judge = judge_of(write(tmp_path, TEXTS | {"verdict": "abstain", "comment": "Both odd."}))
    (vote,) = votes(judge)
    assert (vote.state, vote.reason, vote.logit, vote.rationale) == ("abstain", "abstained", None, "Both odd.")
    assert view(judge) == Missing("abstain: abstained")


def test_what_nobody_said_has_failed_and_is_not_asked_twice(tmp_path: Path) -> None:
    judge, pairs = judge_of(write(tmp_path, TEXTS | {"verdict": "a"})), [PAIR, *some_pairs(3)]
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        count = judge_pairs(pairs, LAW, judge, store)
        assert (count.states, count.reasons) == ({"valid": 2, "failed": 6}, {"not_recorded": 6})
        assert plan_votes(pairs, LAW, judge, store).to_ask == 0
        more = [{"pair": pairs[1].key, "verdict": "b"}]
        judge = judge_of(write(tmp_path, TEXTS | {"verdict": "a"}, *more))
        assert plan_votes(pairs, LAW, judge, store).to_ask == 2  # that pair's, under both principles
        judge_pairs(pairs, LAW, judge, store)
        assert collect_votes(pairs, LAW, judge, store)[pairs[1].key]["kind"][0].logit == pytest.approx(-math.log(4))


def test_opinions_on_a_principle_are_about_it_alone(tmp_path: Path) -> None:
    other = some_pairs(1)[0]
    said = [TEXTS | {"verdict": "b"}, TEXTS | {"principle": "kind", "p": 0.7}, {"pair": other.key, "verdict": "a"}]
    judge = judge_of(write(tmp_path, *said))
    assert p_of(judge) == pytest.approx(0.7)
    assert view(judge, other) == Missing("failed: not_recorded")  # the whole pair is another question
    assert p_of(judge, other, RUDE) == pytest.approx(0.2)  # nobody spoke of `rude`, so the whole pair counts; `against`


def test_each_order_has_its_own_vote_where_the_order_is_known(tmp_path: Path) -> None:
    first = [TEXTS | {"order": "ab", "verdict": "a"}, TEXTS | {"order": "ba", "verdict": "b"}]
    judge = judge_of(write(tmp_path, *first), orders="both")
    size = math.log(4)
    assert [vote.logit for vote in votes(judge)] == pytest.approx([size, size])
    found = view(judge)
    assert isinstance(found, Preference)
    assert (found.logit, found.position_bias) == (pytest.approx(0), pytest.approx(size))
    assert [vote.logit for vote in votes(judge, SWAPPED)] == pytest.approx([size, size])
    judge = judge_of(write(tmp_path, first[0]), orders="both")
    assert [vote.state for vote in votes(judge)] == ["valid", "failed"]


def test_the_digest_covers_the_file_and_a_vote_only_its_own_opinions(tmp_path: Path) -> None:
    judge = judge_of(write(tmp_path, TEXTS | {"verdict": "a"}))
    request = judge.request(PAIR, KIND, Showing("ab"))
    more = judge_of(write(tmp_path, TEXTS | {"verdict": "a"}, {"pair": "0" * 32, "p": 1.0}))
    assert more.digest != judge.digest
    assert more.request(PAIR, KIND, Showing("ab")) == request
    assert judge_of(tmp_path, confidence=0.7).request(PAIR, KIND, Showing("ab")) != request


@given(p=st.floats(0, 1))
def test_logits_are_finite_and_give_the_probability_back(p: float) -> None:
    logit = bounded_logit(p)
    assert abs(logit) <= 30
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(p, abs=1e-12)
    opinion = Opinion(pair="0" * 32, p=p)
    assert Heard(opinion, True).p_of_a(0.8) == 1 - p


BAD = [
    ('{"pair": "x", "verdict": "a"}', "1:10: `pair`"),
    ('{"verdict": "a"}', "1:1: name the pair by `pair`, or by `prompt` (or `messages`) with `a` and `b`"),
    ('{"prompt": "x", "a": "1", "verdict": "a"}', "1:1: name the pair by"),
    ('{"prompt": "x", "a": "1", "b": "1", "verdict": "a"}', "1:1: a pair needs two different responses"),
    ('{"prompt": "x", "a": "1", "b": "2"}', "1:1: give exactly one of `verdict`, `p` and `logit`"),
    ('{"prompt": "x", "a": "1", "b": "2", "p": 1.5}', "1:42: `p`: must be at most 1, found the number `1.5`"),
    ('{"prompt": "x", "a": "1", "b": "2", "verdict": "A"}', "1:48: `verdict`: expected one of `a`, `b`"),
    ('{"prompt": "x", "a": "1", "b": "2", "logit": NaN}', "1:46:"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_is_named_by_line_and_column(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ConfigError) as caught:
        read_opinions(path)
    problem = caught.value.problems[0]
    assert f"{problem.line}:{problem.column}: {problem.message}".startswith(message)


def test_a_file_that_is_about_something_else(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="holds opinions on clever, none on whole pairs and none on kind, rude"):
        judge_of(write(tmp_path, TEXTS | {"principle": "clever", "verdict": "a"}))
    with pytest.raises(DataError, match="no opinions"):
        judge_of(write(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        judge_of(tmp_path / "gone.jsonl")


def test_lookup_is_by_content_whatever_the_slots() -> None:
    opinions = Opinions([Opinion.model_validate(TEXTS | {"verdict": "a"})])
    assert [heard.turned for heard in opinions.on(PAIR, "any")] == [False]
    assert [heard.turned for heard in opinions.on(SWAPPED, "any")] == [True]
    assert opinions.on(some_pairs(1)[0], "any") == []
