"""What asking the missing votes would cost, from their very prompts, without loading the model that would answer."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from generate.engine import Conversation
from generate.prefixes import shared_prefix
from judge.ask import Batch
from judge.llm import JudgeByModel

Encoder: TypeAlias = Callable[[Sequence[Conversation]], list[list[int]]]
"""Token ids of whole prompts, as the engine would make them."""
CHARS_A_TOKEN = 4
"""Only for a server's model, whose tokenizer is not known here: English text in common vocabularies."""


class Forecast(NamedTuple):
    """The missing votes of one principle put to one judge. Tokens are 0 where no model is asked."""

    judge: str
    principle: str
    calls: int
    prompt_tokens: int
    distinct_tokens: int
    """Prompt tokens with the common beginnings of a batch counted once: what is left where an engine reuses them."""
    answer_tokens: int
    """The most that can be generated."""
    exact: bool
    """False: the tokenizer is unknown, or the model reads its own reasons in a second step, here counted as empty."""


def total_of(rows: Sequence[Forecast]) -> Forecast:
    """All principles of one judge together."""
    return Forecast(
        judge=rows[0].judge,
        principle="all",
        calls=sum(row.calls for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        distinct_tokens=sum(row.distinct_tokens for row in rows),
        answer_tokens=sum(row.answer_tokens for row in rows),
        exact=rows[0].exact,
    )


class _Sum:
    def __init__(self) -> None:
        self.calls = self.prompt = self.distinct = self.answer = 0


def forecast(batches: Iterable[Batch], encoder: Callable[[JudgeByModel], Encoder | None]) -> list[Forecast]:
    """One row for each judge and principle that has votes to ask, in the order of asking.

    `encoder` gives a judge's tokenizer; None where it is not known, and tokens are then estimated from characters. A
    token shared by several principles is counted as distinct for the first of them in the engine's order.
    """
    sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    exact: dict[str, bool] = {}
    for batch in batches:
        missing, judge = batch.missing, batch.judge
        rows: list[Sequence[int]] = [()] * len(missing)
        if isinstance(judge, JudgeByModel) and missing:
            encode = encoder(judge)
            exact[judge.name] = encode is not None and not judge.reads_twice
            rows = list((encode or _by_characters)(judge.prompts(missing)))
        fresh, twice = _distinct_tokens(rows), isinstance(judge, JudgeByModel) and judge.reads_twice
        for ask, row, new in zip(missing, rows, fresh, strict=True):
            found = sums[judge.name, ask.principle.id]
            found.calls += 1
            found.prompt += len(row) * (2 if twice else 1)
            found.distinct += new
            found.answer += judge.answer_tokens if isinstance(judge, JudgeByModel) else 0
    return [
        Forecast(name, principle, s.calls, s.prompt, s.distinct, s.answer, exact.get(name, True))
        for (name, principle), s in sums.items()
    ]


def _by_characters(conversations: Sequence[Conversation]) -> list[list[int]]:
    """One number for every few characters of a prompt, so that equal beginnings are equal."""
    texts = ["\n".join(message.content for message in conversation) for conversation in conversations]
    return [[hash(text[i : i + CHARS_A_TOKEN]) for i in range(0, len(text), CHARS_A_TOKEN)] for text in texts]


def _distinct_tokens(rows: Sequence[Sequence[int]]) -> list[int]:
    """For each row, its tokens behind what it has in common with the row before it when all are sorted."""
    order = sorted(range(len(rows)), key=lambda place: list(rows[place]))
    fresh = [len(row) for row in rows]
    for before, place in itertools.pairwise(order):
        fresh[place] -= shared_prefix(rows[before], rows[place])
    return fresh
