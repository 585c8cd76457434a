"""The reasoned verdict, defined once: its type constrains the judge's decoding, and checks what came back."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Literal, NamedTuple, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from judge.reasons import AnswerReason

RATIONALE_CHARS = 300
ANSWER_CHARS = 20_000
"""A longer answer is not even parsed."""
LABELS: tuple[Literal["A"], Literal["B"]] = ("A", "B")
NEITHER: Literal["neither"] = "neither"
REFUSAL = re.compile(
    r"^\W*(?:(?:i['’]?m|i am) (?:very |really |so )?sorry|sorry|i (?:can ?not|can['’]?t|won['’]?t)"
    r"|(?:i['’]m|i am) (?:unable|not able)|as an ai|i must decline)\b",
    re.IGNORECASE,
)


class Rationale(BaseModel):
    """Reasons alone, for the read-out that asks for the label afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rationale: str = Field(min_length=1, max_length=RATIONALE_CHARS)


class Verdict(Rationale):
    """Reasons first, then the verdict: the other way round, the reasons could not influence it."""

    verdict: Literal["A", "B"]


class FreeVerdict(Rationale):
    """A verdict by a judge that may also say that neither is better."""

    verdict: Literal["A", "B", "neither"]


@lru_cache(maxsize=32)
def within(form: type[Rationale], chars: int) -> type[Rationale]:
    """`form` with a rationale of at most `chars` characters: a shorter one costs fewer tokens."""
    return create_model(form.__name__, __base__=form, rationale=(str, Field(min_length=1, max_length=chars)))


class NoVerdict(NamedTuple):
    """Why an answer cannot be read."""

    reason: AnswerReason


class _Unreadable(ValueError):
    def __init__(self, reason: AnswerReason) -> None:
        self.reason = reason
        super().__init__(reason)


def read_verdict(
    text: str, finish: Literal["stop", "length"], asked: type[Rationale] = Verdict
) -> Rationale | NoVerdict:
    """Our own check of a judge's answer, whatever the engine promised.

    Valid: one JSON object, nothing but whitespace around it, exactly the keys of `asked` in its order.

        empty               nothing but whitespace
        oversized           more than ANSWER_CHARS characters
        truncated           unreadable, and cut at the token limit
        refused             prose that opens as a refusal does (in English)
        prose               other text that does not begin as JSON
        code_fence          fenced by ```, whatever is within
        two_verdicts        one JSON value after another
        duplicate_keys      an object that says a key twice: which one is meant?
        not_a_number        NaN or Infinity, which JSON has not
        invalid_json        any other JSON that does not parse
        no_verdict          an object without the key `verdict`, whatever its rationale says
        wrong_schema        JSON of any other shape: not an object, keys added or in another order, an empty rationale
        too_long_rationale  all right, but for the rationale's length
        off_menu            the verdict is not exactly one of the words allowed
    """
    if not text.strip():
        return NoVerdict("empty")
    if len(text) > ANSWER_CHARS:
        return NoVerdict("oversized")
    try:
        value = _parse(text)
    except _Unreadable as error:
        return NoVerdict("truncated" if finish == "length" else error.reason)
    except (ValueError, RecursionError):
        return NoVerdict("truncated" if finish == "length" else _why_no_json(text))
    return _check(value, asked)


def _check(value: object, asked: type[Rationale]) -> Rationale | NoVerdict:
    keys = list(asked.model_fields)
    if isinstance(value, dict) and "verdict" in keys and "verdict" not in value:
        return NoVerdict("no_verdict")
    if not isinstance(value, dict) or list(value) != keys:
        return NoVerdict("wrong_schema")
    try:
        return asked.model_validate(value)
    except ValidationError as error:
        faults = {(problem["loc"][0], problem["type"]) for problem in error.errors(include_input=False)}
    if {field for field, _ in faults} == {"verdict"}:
        return NoVerdict("off_menu")
    return NoVerdict("too_long_rationale" if faults == {("rationale", "string_too_long")} else "wrong_schema")


def _why_no_json(text: str) -> AnswerReason:
    start = text.strip()
    if start.startswith("```"):
        return "code_fence"
    if start[0] in '{["':
        return "two_verdicts" if _holds_a_value(start) else "invalid_json"
    return "refused" if REFUSAL.search(start) else "prose"


def _holds_a_value(text: str) -> bool:
    """Whether an object comes first and another one after it."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip(" \t\r\n,;").startswith("{")


def _parse(text: str) -> object:
    value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Unreadable("duplicate_keys")
    return value


def _refuse(constant: str) -> NoReturn:
    raise _Unreadable("not_a_number")
