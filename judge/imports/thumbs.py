"""Single responses with a thumb up or down: TRL's unpaired columns `prompt`, `completion`, `label` (true is up).

Kept as single responses, for losses that need no pairs. Where one prompt has both liked and disliked responses, they
are also paired, each response once at most: every pair is then new evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pydantic import AliasChoices, Field, StrictBool, TypeAdapter

from constitution.scratch import Grouped
from generate.records import Message, Prompt, response_key
from judge.imports.found import Compared, Item, Rated, Request, Said, Skipped
from judge.imports.rows import Foreign, read_rows
from judge.imports.trl import Turn, answer_text, as_conversation

_RATED = TypeAdapter(Rated)


class ThumbRow(Foreign):
    """One response and its thumb."""

    prompt: str | tuple[Turn, ...]
    completion: str | tuple[Turn, ...] = Field(validation_alias=AliasChoices("completion", "response"))
    label: StrictBool
    annotator: str = ""


def read_thumbs(request: Request) -> Iterator[Item]:
    """A Rated for each usable row, then the pairs that they make, prompt by prompt."""
    with Grouped() as kept:
        for number, (_, row) in enumerate(read_rows(request, ThumbRow), start=1):
            item = _item(f"thumb-{number}", row, request)
            if isinstance(item, Rated):
                text = _RATED.dump_json(item).decode("utf-8")
                kept.add(Prompt(id="-", messages=item.conversation).key, text)
            yield item
        rated = (_RATED.validate_json(text) for text in kept)
        for conversation, of_prompt in groupby(rated, key=lambda one: one.conversation):
            yield from paired(conversation, list(of_prompt), request)


def _item(name: str, row: ThumbRow, request: Request) -> Rated | Skipped:
    conversation, answer = as_conversation(row.prompt), answer_text(row.completion)
    if isinstance(conversation, Skipped):
        return conversation
    if answer is None:
        return Skipped("an answer of several turns, or not by the assistant")
    if not answer.strip():
        return Skipped("an empty response")
    return Rated(name, conversation, answer, row.label, row.annotator or request.annotator)


def paired(conversation: tuple[Message, ...], rated: Sequence[Rated], request: Request) -> Iterator[Item]:
    """One prompt's liked with its disliked, in the order of their content; what is both is left out."""
    up, down = ({r.response: r for r in rated if r.up is liked} for liked in (True, False))
    yield from (Skipped("a response both liked and disliked: not paired") for _ in up.keys() & down.keys())
    liked, disliked = (_in_order(conversation, one, other) for one, other in ((up, down), (down, up)))
    for good, bad in zip(liked, disliked, strict=False):
        said = Said("first", request.principle, request.annotator)
        yield Compared(good.name, conversation, good.response, bad.response, (said,))


def _in_order(conversation: tuple[Message, ...], one: dict[str, Rated], other: dict[str, Rated]) -> list[Rated]:
    prompt = Prompt(id="-", messages=conversation).key
    return sorted((r for text, r in one.items() if text not in other), key=lambda r: response_key(prompt, r.response))
