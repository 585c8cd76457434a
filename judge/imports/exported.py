"""What `preceptor export --format datasets` wrote, in a folder or on the hub: configurations `labels` and `principles`.

Each share becomes an opinion on its principle, with its probability; the label one on the pair as a whole. The judge
`recorded` then makes the same labels of them under the same constitution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from judge.imports.found import Better, Compared, Item, Principled, Request, Said, Skipped
from judge.imports.rows import Foreign, read_rows
from judge.imports.trl import Turn, as_conversation

LABEL = "preceptor-label"


class PrincipleRow(Foreign):
    """One principle."""

    id: str
    text: str
    polarity: Literal["for", "against"]


class ShareRow(Foreign):
    """One principle's part of a label."""

    principle: str
    p: float = Field(ge=0, le=1)


class LabelRow(Foreign):
    """One pair with its label."""

    pair_key: str = Field(min_length=1)
    prompt_id: str = Field(min_length=1)
    tags: tuple[str, ...]
    prompt: tuple[Turn, ...]
    response_a: str
    response_b: str
    p: float | None = Field(ge=0, le=1)
    shares: tuple[ShareRow, ...]


def read_exported(request: Request) -> Iterator[Item]:
    """One Principled a principle, one Compared a pair. Raises ConfigError for a row of another shape; DataError."""
    rows = (row for _, row in read_rows(request.model_copy(update={"limit": None}), PrincipleRow, "principles"))
    polarity: dict[str, str] = {}
    for row in rows:
        polarity[row.id] = row.polarity
        yield Principled(row.id, row.text)
    for _, pair in read_rows(request, LabelRow, "labels"):
        yield _item(pair, polarity)


def _item(row: LabelRow, polarity: dict[str, str]) -> Item:
    conversation = as_conversation(row.prompt)
    if isinstance(conversation, Skipped):
        return conversation
    said = [] if row.p is None else [_said(row.p, None)]
    # An opinion says which response satisfies the text more; a share, which one the constitution prefers.
    said += [_said(1 - s.p if polarity.get(s.principle) == "against" else s.p, s.principle) for s in row.shares]
    return Compared(row.prompt_id, conversation, row.response_a, row.response_b, tuple(said), row.tags)


def _said(p: float, principle: str | None) -> Said:
    better: Better = "tie" if p == 0.5 else "first" if p > 0.5 else "second"
    return Said(better, principle, "" if principle else LABEL, "ai", p=p)
