"""A vote's key: every field that bears on the vote changes it, no other does, and a new field must be decided here.

The tables are in tests/key_tables.py; a field that none names fails `test_every_field_is_decided`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from constitution.checks import Check
from constitution.model import Constitution, Example, Principle
from generate.engine import Engine, ModelRef
from generate.records import Message, Pair, Prompt, Response
from generate.served import served_model
from generate.settings import OpenAiEngine, TransformersEngine, VllmEngine
from judge.interface import Judge, Showing
from judge.judges import open_judge
from judge.records import VoteRequest
from judge.settings import JudgeSettings, LlmJudge, RecordedJudge, RewardModelJudge, RulesJudge
from tests.judging import MODEL, a_constitution, a_pair, a_prompt
from tests.key_tables import (
    CHECKS,
    EXAMPLE,
    FIXED,
    IDLE,
    LLM,
    MESSAGE,
    MODEL_REF,
    NEEDED,
    OPENAI,
    PAIR,
    PRINCIPLE,
    PROMPT,
    RECORDED,
    REQUEST,
    RESPONSE,
    REWARD,
    RULES,
    TRANSFORMERS,
    VLLM,
    WORDS,
    Other,
)

TABLES: list[tuple[type[BaseModel], Mapping[str, Other]]] = [
    (LlmJudge, LLM),
    (RulesJudge, RULES),
    (RewardModelJudge, REWARD),
    (RecordedJudge, RECORDED),
    (Principle, PRINCIPLE),
    (Example, EXAMPLE),
    (Prompt, PROMPT),
    (Message, MESSAGE),
    (Response, RESPONSE),
    (Pair, PAIR),
    (VoteRequest, REQUEST),
    (ModelRef, MODEL_REF),
    (TransformersEngine, TRANSFORMERS),
    (VllmEngine, VLLM),
    (OpenAiEngine, OPENAI),
]
BRIEF = Principle(id="brief", text="The answer is short.")
AB = Showing("ab")


def check_models() -> dict[str, type[BaseModel]]:
    union = get_args(get_args(Check)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in union}


def test_every_field_is_decided() -> None:
    for model, table in TABLES:
        assert set(table) == set(model.model_fields), model.__name__
    assert {name: set(table) for name, table in CHECKS.items()} == {
        name: set(model.model_fields) for name, model in check_models().items()
    }
    kinds = {get_args(judge.model_fields["kind"].annotation)[0] for judge in get_args(get_args(JudgeSettings)[0])}
    assert kinds == {"llm", "rules", "recorded", "reward-model"}
    assert Showing._fields == ("order", "replicate")


def cases(table: Mapping[str, Other]) -> list[Any]:
    return [pytest.param(name, other, id=name) for name, other in table.items() if other is not FIXED and other.value]


def no_engine() -> Engine:
    raise AssertionError("a model was opened without need")


def llm(model: ModelRef = MODEL, base: Path | None = None, **settings: Any) -> Judge:
    chosen = LlmJudge.model_validate({"kind": "llm", "model": model.name, "engine": "none"} | settings)
    return open_judge("llm", chosen, CONSTITUTION, model, no_engine, base)


CONSTITUTION: Constitution = a_constitution([BRIEF])
LONG = a_pair("one " * 100, "two")
"""Long enough for `max_chars` to cut."""


def llm_key(principle: Principle = BRIEF, pair: Pair = LONG, **settings: Any) -> str:
    return llm(**settings).request(pair, principle, AB).key


@pytest.mark.parametrize(("field", "other"), cases(LLM))
def test_settings_of_an_llm_judge(field: str, other: Other) -> None:
    changed = llm_key(**{**other.given, field: other.value})
    assert (changed != llm_key(**other.given)) == other.matters


def test_what_a_read_out_has_no_use_for_changes_nothing() -> None:
    for field, value in IDLE.items():
        assert llm_key(**{field: value}) == llm_key()


@pytest.mark.parametrize(("field", "other"), cases(MODEL_REF))
def test_the_model(field: str, other: Other) -> None:
    assert (llm_key(model=MODEL.model_copy(update={field: other.value})) != llm_key()) == other.matters


@pytest.mark.parametrize(("field", "other"), cases(OPENAI))
def test_the_server(field: str, other: Other) -> None:
    plain = {"type": "openai", "base_url": "http://127.0.0.1:8000/v1"}
    keys = [
        llm_key(model=served_model("m", OpenAiEngine.model_validate(settings), "r"))
        for settings in (plain, plain | {field: other.value})
    ]
    assert (keys[0] != keys[1]) == other.matters


def test_one_character_of_a_template_file(tmp_path: Path) -> None:
    shipped = Path(__file__).parent.parent / "judge" / "templates" / "small.j2"
    keys = []
    for text in (shipped.read_text(), shipped.read_text(), shipped.read_text() + "{# #}"):
        (tmp_path / "mine.j2").write_text(text)
        keys.append(llm_key(base=tmp_path, template="mine.j2"))
    assert keys[0] == keys[1] != keys[2]


def test_settings_of_a_rules_judge() -> None:
    principle = BRIEF.model_copy(update={"check": check_models()["words"].model_validate(WORDS)})
    constitution = a_constitution([principle])
    keys = [
        open_judge("rules", RulesJudge.model_validate({"kind": "rules"} | more), constitution)
        .request(LONG, principle, AB)
        .key
        for more in ({}, {"confidence": RULES["confidence"].value}, {"calibration": RULES["calibration"].value})
    ]
    assert keys[1] != keys[0] == keys[2]


@pytest.mark.parametrize(("field", "other"), cases(REWARD))
def test_settings_of_a_reward_model(field: str, other: Other) -> None:
    def key(**settings: Any) -> str:
        chosen = RewardModelJudge.model_validate({"kind": "reward-model", "model": MODEL.name} | settings)
        judge = open_judge("reward", chosen, CONSTITUTION, MODEL, scorer=lambda: pytest.fail("opened without need"))
        return judge.request(LONG, BRIEF, AB).key

    assert (key(**{field: other.value}) != key()) == other.matters


def test_settings_and_content_of_recorded_opinions(tmp_path: Path) -> None:
    def key(file: str, verdict: str = "a", **settings: Any) -> str:
        opinion = f'{{"pair": "{LONG.key}", "verdict": "{verdict}"}}\n'
        (tmp_path / file).write_text(opinion)
        chosen = RecordedJudge.model_validate({"kind": "recorded", "file": str(tmp_path / file)} | settings)
        return open_judge("people", chosen, CONSTITUTION).request(LONG, BRIEF, AB).key

    plain = key("opinions.jsonl")
    assert key(RECORDED["file"].value) == plain
    assert key("opinions.jsonl", calibration="c.json") == plain
    others = [key("opinions.jsonl", verdict="b"), key("opinions.jsonl", confidence=0.7)]
    others.append(key("opinions.jsonl", orders="both"))
    assert len({plain, *others}) == 4


@pytest.mark.parametrize(("field", "other"), cases(PRINCIPLE))
def test_the_principle(field: str, other: Other) -> None:
    changed = Principle.model_validate(BRIEF.model_dump() | {field: other.value})
    assert (llm_key(principle=changed) != llm_key()) == other.matters


@pytest.mark.parametrize(("field", "other"), cases(EXAMPLE))
def test_an_example_of_the_principle(field: str, other: Other) -> None:
    example = Example(prompt="p", better="b", worse="w")
    one, two = (
        BRIEF.model_copy(update={"examples": (e,)}) for e in (example, example.model_copy(update={field: other.value}))
    )
    assert (llm_key(principle=one) != llm_key(principle=two)) == other.matters


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check(name: str) -> None:
    model = check_models()[name]
    plain = model.model_validate({"type": name} | NEEDED.get(name, {}))
    keys = [
        BRIEF.model_copy(update={"check": plain.model_copy(update={field: other.value})}).key
        for field, other in CHECKS[name].items()
        if other is not FIXED
    ]
    assert len({BRIEF.model_copy(update={"check": plain}).key, *keys}) == len(keys) + 1


@pytest.mark.parametrize(("field", "other"), cases(PROMPT))
def test_the_prompt(field: str, other: Other) -> None:
    changed = Prompt.model_validate(a_prompt().model_dump() | other.given | {field: other.value})
    assert (llm_key(pair=a_pair("one", "two", changed)) != llm_key(pair=a_pair("one", "two"))) == other.matters


@pytest.mark.parametrize(("field", "other"), cases(MESSAGE))
def test_a_turn_of_the_conversation(field: str, other: Other) -> None:
    first, last = Message(role="user", content="Hello"), Message(role="user", content="How?")
    keys = [
        llm_key(pair=a_pair("one", "two", a_prompt(turns=(turn, last))))
        for turn in (first, first.model_copy(update={field: other.value}))
    ]
    assert (keys[0] != keys[1]) == other.matters


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(("field", "other"), cases(RESPONSE))
def test_a_response(side: str, field: str, other: Other) -> None:
    pair = a_pair("one", "two")
    changed = pair.model_copy(update={side: getattr(pair, side).model_copy(update={field: other.value})})
    assert (llm_key(pair=changed) != llm_key(pair=pair)) == other.matters


@pytest.mark.parametrize(("field", "other"), cases(REQUEST))
def test_the_request(field: str, other: Other) -> None:
    request = llm().request(LONG, BRIEF, AB)
    assert (request.model_copy(update={field: other.value}).key != request.key) == other.matters


def test_order_and_replicate() -> None:
    keys = {llm().request(LONG, BRIEF, showing).key for showing in (AB, Showing("ba"), Showing("ab", 1))}
    assert len(keys) == 3


TEXTS = st.lists(st.text(min_size=1, max_size=4), min_size=7, max_size=7)


def request_of(texts: list[str]) -> VoteRequest:
    names = ("pair_key", "principle_key", "judge", "first", "second", "rendered")
    return VoteRequest.model_validate({**dict(zip(names, texts, strict=False)), "order": "ab"})


@given(TEXTS, st.integers(0, 4), st.integers(1, 3))
def test_no_field_runs_into_its_neighbour(texts: list[str], place: int, cut: int) -> None:
    """Characters that move from one field into the next make another key, and so do two fields that change places."""
    moved = list(texts)
    moved[place], moved[place + 1] = texts[place][:-cut], texts[place][-cut:] + texts[place + 1]
    swapped = list(texts)
    swapped[place], swapped[place + 1] = texts[place + 1], texts[place]
    key = request_of(texts).key
    assert request_of(moved).key != key
    assert (request_of(swapped).key == key) == (texts[place] == texts[place + 1])


@given(st.text(min_size=1, max_size=6), st.text(min_size=1, max_size=6))
def test_two_turns_are_not_one(first: str, second: str) -> None:
    end = Message(role="user", content="?")
    two = a_prompt(turns=(Message(role="user", content=first), Message(role="user", content=second), end))
    one = a_prompt(turns=(Message(role="user", content=first + second), end))
    assert two.key != one.key
