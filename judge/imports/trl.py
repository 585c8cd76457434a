"""TRL's preference columns: `chosen` and `rejected`, with `prompt` or without, as texts or as lists of messages.

Without `prompt`, or with texts and a conversation mixed, the prompt is what both have in common at their beginning, as
TRL's own `extract_prompt` finds it; dialogues of `Human:` and `Assistant:` are read as hh_rlhf.py does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from generate.records import Message
from judge.imports.found import Compared, Item, Request, Said, Skipped
from judge.imports.hh_rlhf import compared_dialogues, dialogue
from judge.imports.rows import Foreign, read_rows


class Turn(Foreign):
    """One message of a conversation."""

    role: str
    content: str | None = None


Text: TypeAlias = "str | tuple[Turn, ...]"


class TrlRow(Foreign):
    """One preference."""

    chosen: str | tuple[Turn, ...]
    rejected: str | tuple[Turn, ...]
    prompt: str | tuple[Turn, ...] | None = None


def read_trl(request: Request) -> Iterator[Item]:
    """One Compared a row, the chosen response first."""
    for number, (_, row) in enumerate(read_rows(request, TrlRow), start=1):
        yield _item(f"trl-{number}", row, request)


def _item(name: str, row: TrlRow, request: Request) -> Item:
    if isinstance(row.chosen, str) != isinstance(row.rejected, str):
        return Skipped("chosen and rejected have different forms")
    prompt, chosen, rejected = row.prompt, row.chosen, row.rejected
    if prompt is None and isinstance(chosen, str) and isinstance(rejected, str) and dialogue(chosen):
        return compared_dialogues(name, chosen, rejected, request)
    if prompt is None or isinstance(prompt, str) != isinstance(chosen, str):
        cut = common_prefix(chosen, rejected)
        prompt, chosen, rejected = chosen[:cut], chosen[cut:], rejected[cut:]
    conversation = as_conversation(prompt)
    if isinstance(conversation, Skipped):
        return conversation
    first, second = answer_text(chosen), answer_text(rejected)
    if first is None or second is None:
        return Skipped("an answer of several turns, or not by the assistant")
    said = Said("first", request.principle, request.annotator)
    return Compared(name, conversation, first, second, (said,))


def common_prefix(first: Text, second: Text) -> int:
    """How much both begin with alike: characters, without a space before the difference; or messages."""
    if isinstance(first, str) and isinstance(second, str):
        cut = _alike(first, second)
        return cut - first[:cut].endswith(" ")
    return _alike(first, second)


def _alike(first: Sequence[object], second: Sequence[object]) -> int:
    pairs = zip(first, second, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def as_conversation(prompt: Text) -> tuple[Message, ...] | Skipped:
    """The prompt as messages that end with the user's turn, or why it cannot be."""
    if isinstance(prompt, str):
        return (Message(role="user", content=prompt),) if prompt.strip() else Skipped("no prompt")
    if not prompt:
        return Skipped("no prompt")
    messages: list[Message] = []
    for turn in prompt:
        if turn.role not in ("system", "user", "assistant"):
            return Skipped("a role other than system, user and assistant")
        if not turn.content:
            return Skipped("a turn without text")
        messages.append(Message.model_validate({"role": turn.role, "content": turn.content}))
    return tuple(messages) if messages[-1].role == "user" else Skipped("the prompt does not end with the user's turn")


def answer_text(answer: Text) -> str | None:
    """The answer's text; None unless it is one turn of the assistant."""
    if isinstance(answer, str):
        return answer
    if len(answer) != 1 or answer[0].role != "assistant":
        return None
    return answer[0].content or ""
