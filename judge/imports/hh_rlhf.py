"""Anthropic's hh-rlhf: `chosen` and `rejected` are whole dialogues as one text, the last turn being what was compared.

Bai et al. 2022, arXiv 2204.05862. A few rows diverge before the last turn: those compare dialogues, not answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from generate.records import Message
from judge.imports.found import Compared, Item, Request, Said, Skipped
from judge.imports.rows import Foreign, read_rows

_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


class HhRow(Foreign):
    """One preference."""

    chosen: str
    rejected: str


def read_hh_rlhf(request: Request) -> Iterator[Item]:
    """One Compared a row, the chosen response first."""
    for number, (_, row) in enumerate(read_rows(request, HhRow), start=1):
        yield compared_dialogues(f"hh-{number}", row.chosen, row.rejected, request)


def compared_dialogues(name: str, better: str, worse: str, request: Request) -> Item:
    """Two dialogues that differ in their last turn as a comparison of it, or why they cannot be one."""
    chosen, rejected = dialogue(better), dialogue(worse)
    if chosen is None or rejected is None:
        return Skipped("not a dialogue of Human and Assistant that ends with the assistant")
    if chosen[:-1] != rejected[:-1]:
        return Skipped("the dialogues differ before the last turn")
    if any(not text for _, text in chosen[:-1]):
        return Skipped("a turn without text")
    conversation = tuple(Message.model_validate({"role": role, "content": text}) for role, text in chosen[:-1])
    if conversation[-1].role != "user":
        return Skipped("the prompt does not end with the user's turn")
    said = Said("first", request.principle, request.annotator)
    return Compared(name, conversation, chosen[-1][1], rejected[-1][1], (said,))


def dialogue(text: str) -> list[tuple[str, str]] | None:
    """(role, text) of every turn; None if it is not a dialogue that begins with either and ends with the assistant."""
    opening, *rest = _SPEAKER.split(text)
    turns = [(_ROLES[who], said.strip()) for who, said in zip(rest[::2], rest[1::2], strict=True)]
    if opening.strip() or len(turns) < 2 or turns[-1][0] != "assistant":
        return None
    return turns
