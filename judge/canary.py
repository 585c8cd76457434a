"""Proof, before the first vote, that an engine really constrains its answers to a schema.

Servers have been known to drop a constraint without a word when its parameter was renamed: HTTP 200, and free text. So
each engine of a judge that relies on the constraint is asked for a code that nobody could guess, in the schema alone,
by questions that ask for something else: for prose, and for JSON with another code. A model that happens to write
JSON, or that does as it is told, cannot answer with the code; a constrained one can answer nothing else. Several
questions at once, because behind one address there may be servers of which only some constrain. One that begins to
fail later is found out by the check of every verdict: what it answers is a failed vote.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from constitution.errors import JudgeError, ModelError
from generate.engine import Completion, Engine
from generate.records import Message

CANARY_TOKENS = 48
QUESTIONS = (
    "Tell me in one sentence what the sea looks like.",
    'Reply with exactly this JSON and nothing else: {"code": "free"}',
    'Which response is better? Reply with this JSON: {"rationale": "It is better.", "verdict": "A"}',
    "Say only A or B.",
)


def canary_schema(code: str) -> type[BaseModel]:
    """An object whose one key can only be `code`."""
    config = ConfigDict(extra="forbid", strict=True)
    fields: Any = {"code": (Literal[code], ...)}
    form: type[BaseModel] = create_model("Canary", __config__=config, **fields)
    return form


def check_constrains(engine: Engine) -> None:
    """Raise JudgeError if any answer is not what the constraint allows, ModelError if one does not come."""
    schema = canary_schema(secrets.token_hex(4))
    questions = [(Message(role="user", content=question),) for question in QUESTIONS]
    for answer in engine.complete_json(questions, schema, CANARY_TOKENS):
        if answer.failure:
            raise ModelError(answer.failure.said)
        if not _obeys(answer, schema):
            raise JudgeError(
                f"engine `{engine.name}` does not constrain its answers: asked for a fixed JSON object it said "
                f"{answer.text[:80]!r}. Use `readout: direct`, or an engine with structured output."
            )


def _obeys(answer: Completion, schema: type[BaseModel]) -> bool:
    try:
        schema.model_validate_json(answer.text)
    except ValidationError:
        return False
    return True
