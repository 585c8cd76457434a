"""The reasoned verdict, defined once: its type constrains the judge's decoding, and checks what came back."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

RATIONALE_CHARS = 300
LABELS: tuple[Literal["A"], Literal["B"]] = ("A", "B")

Reason = Literal["empty", "truncated", "invalid_json", "wrong_schema", "off_menu"]


class Verdict(BaseModel):
    """Reasons first, then the verdict: the other way round, the reasons could not influence it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rationale: str = Field(min_length=1, max_length=RATIONALE_CHARS)
    verdict: Literal["A", "B"]


def verdict_within(chars: int) -> type[Verdict]:
    """Verdict with a rationale of at most `chars` characters: a shorter one costs fewer tokens."""
    return create_model("Verdict", __base__=Verdict, rationale=(str, Field(min_length=1, max_length=chars)))


class Canary(BaseModel):
    """What an engine that really constrains must answer, whatever it is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    constrained: Literal["yes"]


class NoVerdict(NamedTuple):
    """Why an answer cannot be read."""

    reason: Reason


def read_verdict(text: str, finish: Literal["stop", "length"], asked: type[Verdict] = Verdict) -> Verdict | NoVerdict:
    """Our own check of a judge's answer, whatever the engine promised.

    Valid: one JSON object, nothing but whitespace around it, exactly the keys `rationale` and `verdict` in this order.

        empty         nothing but whitespace
        truncated     unreadable, and cut at the token limit
        invalid_json  no JSON (code fences, prose, duplicate keys, NaN count as none)
        wrong_schema  JSON of another shape: keys missing, added or in another order, a rationale empty or too long
        off_menu      the right shape, but the verdict is not exactly "A" or "B"
    """
    if not text.strip():
        return NoVerdict("empty")
    try:
        value = _parse(text)
    except (ValueError, RecursionError):
        return NoVerdict("truncated" if finish == "length" else "invalid_json")
    if not isinstance(value, dict) or list(value) != ["rationale", "verdict"]:
        return NoVerdict("wrong_schema")
    try:
        return asked.model_validate(value)
    except ValidationError as error:
        faulty = {problem["loc"][0] for problem in error.errors()}
        return NoVerdict("off_menu" if faulty == {"verdict"} else "wrong_schema")


def _parse(text: str) -> object:
    value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
