"""Conversations whose common beginning fills whole blocks of an engine's key-value cache.

vLLM shares whole blocks only: where K prompts begin alike, each computes the last, broken block of their beginning
again, half of BLOCK_TOKENS on average. So a conversation may say where it can be lengthened by a ruled line, a mark
repeated ("- - - -"). How many marks depends on the beginning and the tokenizer alone: it is the same for all K prompts,
on every engine that runs here, and whatever else is in the call. A server counts tokens its own way and gets no line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from generate.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BLOCK_TOKENS = 32
"""The smallest block of vLLM on a CPU, and twice its usual one on a GPU."""
PARAGRAPH = "\n\n"


class Aligned(tuple[Message, ...]):
    """A conversation. `place`: characters of the last message before the line; `mark`: what the line is made of."""

    place: int
    mark: str

    def __new__(cls, messages: Iterable[Message], place: int, mark: str) -> Self:
        """The line is to stand between two paragraphs, so the message goes on with an empty line at `place`."""
        made = super().__new__(cls, messages)
        assert made[-1].content[place:].startswith(PARAGRAPH), "a ruled line stands between paragraphs"
        made.place, made.mark = place, mark
        return made


class Parted(NamedTuple):
    """A prompt's text in two parts that are tokenised apart, so that no token lies across the border."""

    beginning: str
    rest: str


def parted(text: str, conversation: Sequence[Message]) -> Parted:
    """`text`, the conversation as the chat template shows it, in two where a line is to stand, else with no beginning.

    A chat template that changes messages leaves no place for a line: then nothing is aligned.
    """
    start = text.rfind(conversation[-1].content) if isinstance(conversation, Aligned) else -1
    if start < 0:
        return Parted("", text)
    assert isinstance(conversation, Aligned)
    place = start + conversation.place
    return Parted(text[:place], text[place + len(PARAGRAPH) :])


def ruled(tokenizer: PreTrainedTokenizerBase, beginning: str, mark: str) -> list[int]:
    """Token ids of the beginning and its line, of 1 to BLOCK_TOKENS marks: whole blocks, if a mark is a token."""
    short = _with_line(tokenizer, beginning, mark, 1)
    return _with_line(tokenizer, beginning, mark, 1 + -len(short) % BLOCK_TOKENS)


def _with_line(tokenizer: PreTrainedTokenizerBase, beginning: str, mark: str, marks: int) -> list[int]:
    text = PARAGRAPH.join((beginning, " ".join([mark] * marks), ""))
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
