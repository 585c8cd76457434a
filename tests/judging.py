"""Short ways to write pairs, constitutions and votes down, for the tests of judge/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from constitution.checks import ListsCheck, PatternCheck, RepetitionCheck, WordsCheck
from constitution.model import Constitution, Principle
from generate.engine import ModelRef
from generate.records import Message, Pair, Prompt, Response
from judge.calibration import PrincipleCalibration, Temperature
from judge.interface import Judge, Showing
from judge.judges import open_judge
from judge.records import Order, Vote
from judge.settings import LlmJudge, RulesJudge

MODEL = ModelRef(name="some/model", path="some/model", revision="0" * 40)
PRINCIPLES = (
    Principle(id="brief", text="The answer is short.", weight=2.0, check=WordsCheck(type="words", max=6)),
    Principle(id="no-lists", text="The answer has no lists.", check=ListsCheck(type="lists")),
    Principle(
        id="no-filler", text="No opening phrase.", check=PatternCheck(type="pattern", pattern="^sure", opening=20)
    ),
    Principle(
        id="no-loops",
        text="Nothing is said twice.",
        weight=0.0,
        scope=("long",),
        check=RepetitionCheck(type="repetition", n=2),
    ),
)


def a_prompt(text: str = "How do I bake bread?", tags: tuple[str, ...] = (), turns: Sequence[Message] = ()) -> Prompt:
    """A prompt of one turn, or of the given ones."""
    return Prompt(id="p", messages=tuple(turns), tags=tags) if turns else Prompt(id="p", prompt=text, tags=tags)


def a_response(prompt: Prompt, text: str) -> Response:
    """A finished answer."""
    return Response(prompt_key=prompt.key, text=text, finish="stop", tokens=1, sampler="s", seed=0, index=0)


def a_pair(a: str, b: str, prompt: Prompt | None = None) -> Pair:
    """Two answers to one prompt."""
    prompt = prompt or a_prompt()
    return Pair(prompt=prompt, a=a_response(prompt, a), b=a_response(prompt, b))


def some_pairs(count: int) -> list[Pair]:
    """Pairs about as many prompts, one in three tagged `long`, with answers that differ by every check."""
    prompts = [a_prompt(f"What is a prime number, number {i}?", ("long",) if i % 3 == 0 else ()) for i in range(count)]
    return [
        a_pair(
            f"Sure! Word word word word {'more ' * (i % 7)}", f"- point {i}\n- point two" + " again" * (i % 5), prompt
        )
        for i, prompt in enumerate(prompts)
    ]


def a_constitution(principles: Sequence[Principle] = PRINCIPLES, **aggregation: object) -> Constitution:
    """The principles above, or others, under `weighted_mean` unless told otherwise."""
    return Constitution.model_validate(
        {"name": "test", "principles": [p.model_dump() for p in principles], "aggregation": aggregation}
    )


def rules_judge(constitution: Constitution, confidence: float = 4.0) -> Judge:
    """The judge by rules."""
    return open_judge("rules", RulesJudge(kind="rules", confidence=confidence), constitution)


def llm_judge(constitution: Constitution, **settings: object) -> Judge:
    """A judge by model that may plan and identify votes, but has no model to ask."""
    chosen = LlmJudge.model_validate({"kind": "llm", "model": MODEL.name, "engine": "none"} | settings)
    return open_judge("llm", chosen, constitution, MODEL, _no_engine)


def _no_engine() -> NoReturn:
    raise AssertionError("a model was opened without need")


def a_vote(judge: Judge, pair: Pair, principle: Principle, order: Order, logit: float | None) -> Vote:
    """A valid vote, or, with None, one that failed."""
    request = judge.request(pair, principle, Showing(order))
    if logit is None:
        return Vote(request=request, state="failed", reason="invalid_json")
    return Vote(request=request, state="valid", logit=logit)


def cooled(principle: Principle) -> PrincipleCalibration:
    """A calibration that takes a judge in two orders for three times as sure as it should be."""
    return PrincipleCalibration(
        principle=principle.id,
        key=principle.key,
        showings=("ab0", "ba0"),
        labels=50,
        prompts=50,
        temperature=Temperature(value=3.0),
        own=1.0,
        at_chance=False,
    )
