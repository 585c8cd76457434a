"""Why a vote is not valid: every reason there is, and its kind, for counting and for deciding what to ask again.

    transport   the way to the model failed: the same question may succeed later, so the next run asks it again
    too_long    the prompt does not fit into the model's context
    refused     the model, or a filter of its server, would not answer
    truncated   the answer was cut at the token limit
    invalid     an answer came and is no verdict
    abstained   the judge said that it cannot say, where it may
    unrecorded  nobody's opinion is on file

All but the first come again if the same question is put to the same judge, so it is put again only on demand.
"""

from __future__ import annotations

from typing import Literal

from generate.engine import TRANSIENT

NOT_RECORDED = "not_recorded"
"""The reason of a recorded judge's vote on which nobody gave an opinion."""

Kind = Literal["transport", "too_long", "refused", "truncated", "invalid", "abstained", "unrecorded"]
AnswerReason = Literal[
    "empty", "oversized", "truncated", "refused", "prose", "code_fence", "two_verdicts", "duplicate_keys",
    "not_a_number", "invalid_json", "no_verdict", "wrong_schema", "too_long_rationale", "off_menu",
]  # fmt: skip
"""What `judge.verdict.read_verdict` can find wrong."""

_KINDS: dict[str, Kind] = {
    "too_long": "too_long",
    "refused": "refused",
    "truncated": "truncated",
    "neither": "abstained",
    "abstained": "abstained",
    NOT_RECORDED: "unrecorded",
}


def kind_of(reason: str) -> Kind:
    """The kind of a vote's `reason`; what is not listed is an answer that could not be used."""
    return "transport" if reason in TRANSIENT else _KINDS.get(reason, "invalid")
