"""Reasons drawn several times, reasons before the label, abstentions, prompts too long: on the real embedded engine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from constitution.store import Store
from generate.engine import Drawn, Engine, ModelRef
from generate.open import open_engine
from generate.readout import reads_as
from generate.records import Message
from generate.settings import TransformersEngine
from judge.ask import collect_votes, judge_pairs
from judge.interface import Judge, Showing
from judge.labels import label_pair, preference
from judge.records import Vote
from judge.settings import LlmJudge
from judge.verdict import FreeVerdict, Rationale, Verdict, within
from tests.judging import PRINCIPLES, a_pair
from tests.test_llm_judge import CONSTITUTION, PAIRS, judge_on, votes_of

QUESTIONS = [(Message(role="user", content=text),) for text in ("A or B?", "Which is better, and why? " * 8, "Well?")]


@pytest.fixture(scope="module")
def engine(tiny_model: ModelRef) -> Iterator[Engine]:
    opened = open_engine("tiny", TransformersEngine(type="transformers", batch_size=8), tiny_model)
    yield opened
    opened.close()


def settings(**fields: object) -> LlmJudge:
    return LlmJudge.model_validate({"kind": "llm", "model": "m", "engine": "e"} | fields)


# ------------------------------------------------------------------------------------------------- drawing by seeds


def test_a_draw_depends_on_its_seed_and_not_on_its_neighbours(engine: Engine) -> None:
    form = within(Verdict, 20)
    together = engine.complete_json(QUESTIONS * 2, form, 40, Drawn(1.0, (1, 2, 3, 4, 5, 6)))
    alone = [
        engine.complete_json([question], form, 40, Drawn(1.0, (seed,)))[0]
        for seed, question in enumerate(QUESTIONS * 2, start=1)
    ]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert together[0].text != together[3].text  # the same question under another seed
    for answer in together:
        form.model_validate_json(answer.text)


def test_draws_follow_the_models_probabilities(engine: Engine) -> None:
    """The verdict after a given beginning: its frequency is the model's own probability, at the temperature asked."""
    import torch

    from generate.constrain import GumbelNoise

    logits_B_V = torch.tensor([[0.0, math.log(3), -torch.inf]]).repeat(4000, 1)
    for temperature, expected in ((1.0, 0.75), (0.5, 0.9)):
        drawn = GumbelNoise(temperature, list(range(4000)))(torch.zeros(4000, 1), logits_B_V).argmax(dim=1)
        share = (drawn == 1).float().mean().item()
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000))
        assert not (drawn == 2).any()


def test_several_rationales_are_several_votes_and_a_resumed_run_draws_the_same(engine: Engine, tmp_path: Path) -> None:
    several = {"readout": "reasoned", "rationales": 3, "temperature": 1.2, "rationale_chars": 8, "max_new_tokens": 40}
    found: list[dict[str, Vote]] = []
    for batch_pairs in (1, 2):
        with Store(tmp_path / f"{batch_pairs}.sqlite", Vote) as opened:
            judge = judge_on(engine, batch_pairs=batch_pairs, **several)
            found.append({vote.key: vote for vote in votes_of(judge, opened)})
    assert found[0] == found[1]
    assert len(found[0]) == 2 * 2 * 2 * 3
    by_question = Counter((v.request.pair_key, v.request.principle_key, v.request.order) for v in found[0].values())
    assert set(by_question.values()) == {3}
    assert len({vote.rationale for vote in found[0].values()}) > 12


def test_probabilities_of_rationales_are_averaged(engine: Engine) -> None:
    """By hand: 3 of 3 for A at 0.8 in one order, 2 of 3 for A in the other."""
    judge = judge_on(engine, readout="reasoned", rationales=3, temperature=1.0)
    assert judge.showings(PRINCIPLES[0]) == tuple(Showing(o, i) for o in ("ab", "ba") for i in range(3))
    size = math.log(4)
    votes = [
        Vote(request=judge.request(PAIRS[0], PRINCIPLES[0], showing), state="valid", logit=logit)
        for showing, logit in zip(judge.showings(PRINCIPLES[0]), [size, size, size, size, size, -size], strict=True)
    ]
    view = preference(votes, judge.showings(PRINCIPLES[0]))
    other = math.log(0.6 / 0.4)
    assert view == pytest.approx(((size - other) / 2, (size + other) / 2))


# ---------------------------------------------------------------------------------------------- reasons, then the label


def test_two_steps_read_the_label_after_the_reasons_and_clamp_it(engine: Engine, store: Store[Vote]) -> None:
    fields = {"readout": "two_step", "rationale_chars": 20, "max_new_tokens": 40, "clamp": [0.4, 0.6]}
    votes = votes_of(judge_on(engine, **fields), store)
    valid = [vote for vote in votes if vote.state == "valid"]
    assert valid, "the random model leans on the labels somewhere"
    for vote in valid:
        assert vote.logit is not None
        assert abs(vote.logit) <= math.log(0.6 / 0.4) + 1e-12
        assert vote.rationale
        assert (vote.raw or "").startswith("log p(A) = ")
        assert vote.tokens_out > 0
    assert {vote.reason for vote in votes if vote.state == "failed"} <= {"no_label_mass", "wrong_schema"}


def test_the_label_is_the_engines_own_answer_to_the_conversation_so_far(engine: Engine, store: Store[Vote]) -> None:
    judge = judge_on(engine, readout="two_step", rationale_chars=20, max_new_tokens=40, clamp=[0.001, 0.999])
    (vote, *_) = [vote for vote in votes_of(judge, store) if vote.state == "valid"]
    from judge.template import load_template, render
    from judge.untrusted import neutralise

    (pair,) = [pair for pair in PAIRS if pair.key == vote.request.pair_key]
    (principle,) = [p for p in CONSTITUTION.principles if p.key == vote.request.principle_key]
    first = render(load_template("small"), pair, principle, vote.request.order, "think", 4000).messages
    label = Message(role="user", content="Say only A or B.")
    whole = (*first, Message(role="assistant", content=neutralise(vote.rationale or "")), label)
    logps = engine.read_choices([whole], ["A", "B"])[0].logps
    assert vote.logit == pytest.approx(max(-6.9068, min(6.9068, logps[0] - logps[1])), abs=1e-3)


# ------------------------------------------------------------------------------------------- abstaining, and too long


def test_neither_can_be_written_only_where_it_is_allowed(engine: Engine) -> None:
    form = within(FreeVerdict, 4)
    seeds = tuple(range(16))
    answers = engine.complete_json([QUESTIONS[0]] * 16, form, 40, Drawn(2.0, seeds))
    verdicts = Counter(FreeVerdict.model_validate_json(answer.text).verdict for answer in answers)
    assert verdicts.keys() <= {"A", "B", "neither"}
    assert verdicts["neither"] > 0
    without = engine.complete_json([QUESTIONS[0]] * 16, within(Verdict, 4), 40, Drawn(2.0, seeds))
    assert {Verdict.model_validate_json(answer.text).verdict for answer in without} == {"A", "B"}


def test_an_abstention_leaves_the_principle_out_of_the_label(engine: Engine) -> None:
    judge = judge_on(engine, readout="reasoned", abstain=True)
    votes = tuple(
        Vote(request=judge.request(PAIRS[0], PRINCIPLES[0], s), state="abstain", reason="neither")
        for s in judge.showings(PRINCIPLES[0])
    )
    label = label_pair(PAIRS[0], {"brief": votes}, CONSTITUTION, judge)
    assert (label.p, label.reason) == (None, "coverage")
    assert dict(label.missing)["brief"] == "abstain: neither"


@pytest.mark.parametrize("readout", ["direct", "reasoned", "two_step"])
def test_a_prompt_too_long_is_one_failed_vote_and_the_others_are_asked(
    engine: Engine, store: Store[Vote], readout: str
) -> None:
    pairs = [PAIRS[0], a_pair("word " * 600, "Yes."), PAIRS[1]]
    judge = judge_on(engine, readout=readout, rationale_chars=20, max_new_tokens=40)
    count = judge_pairs(pairs, CONSTITUTION, judge, store)
    assert count.reasons["too_long"] == 4
    assert count.to_ask_again == 0
    votes = collect_votes(pairs, CONSTITUTION, judge, store)
    assert {vote.reason for vote in votes[pairs[1].key]["brief"]} == {"too_long"}
    assert all("exceeds the model's 512" in (vote.raw or "") for vote in votes[pairs[1].key]["brief"])
    assert not [vote for pair in PAIRS for vote in votes[pair.key]["brief"] if vote.reason == "too_long"]


def test_a_long_prompt_does_not_shift_the_others_results(engine: Engine) -> None:
    long = (Message(role="user", content="word " * 600),)
    mixed = engine.read_choices([QUESTIONS[0], long, QUESTIONS[1]], ["A", "B"])
    assert [bool(found.failure) for found in mixed] == [False, True, False]
    for found, question in zip([mixed[0], mixed[2]], QUESTIONS[:2], strict=True):
        assert found.logps == pytest.approx(engine.read_choices([question], ["A", "B"])[0].logps, abs=1e-4)
    written = engine.complete_json([long, QUESTIONS[0]], within(Rationale, 20), 40, Drawn(1.0, (7, 8)))
    assert written[0].failure is not None
    assert written[1] == engine.complete_json([QUESTIONS[0]], within(Rationale, 20), 40, Drawn(1.0, (8,)))[0]


# ------------------------------------------------------------------------------------------------ options, spellings


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"clamp": [0.3, 0.6], "readout": "two_step"}, "evenly about 0.5"),
        ({"clamp": [0.6, 0.4], "readout": "two_step"}, "evenly about 0.5"),
        ({"rationales": 4, "readout": "reasoned"}, "need a `temperature` above 0"),
        ({"rationales": 4, "temperature": 1.0}, "are for `readout: reasoned`"),
        ({"abstain": True}, "`abstain` is for `readout: reasoned`"),
        ({"abstain": True, "readout": "two_step"}, "`abstain` is for `readout: reasoned`"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**fields)


def test_every_option_that_can_change_a_vote_is_in_the_judges_identity(engine: Engine) -> None:
    def digest(**fields: object) -> str:
        judge: Judge = judge_on(engine, **fields)
        return judge.digest

    reasoned = [
        digest(readout="reasoned"),
        digest(readout="reasoned", temperature=0.5),
        digest(readout="reasoned", abstain=True),
        digest(readout="reasoned", rationale_chars=100),
        digest(readout="two_step"),
        digest(readout="two_step", clamp=[0.3, 0.7]),
        digest(readout="two_step", temperature=0.5),
        digest(readout="direct"),
    ]
    assert len(set(reasoned)) == len(reasoned)
    assert digest(readout="two_step") == digest(readout="two_step", reasoned_confidence=0.9)
    assert digest(readout="reasoned", temperature=0.5) == digest(readout="reasoned", temperature=0.5, rationales=5)


@pytest.mark.parametrize(
    ("token", "says"), [("A", "A"), (" A", "A"), ("(A", "A"), (" (A)", "A"), ("A)", "A"), ("a", "a")]
)
def test_an_option_may_be_spelt_with_its_brackets(token: str, says: str) -> None:
    assert reads_as(token) == says
