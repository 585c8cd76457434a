"""LLMBar: pairs with a gold label, and the verdicts that its authors recorded of judges, each pair in both orders.

Zeng et al. 2024, arXiv 2310.07641. `label` and `winner` are 1 or 2, for `output_1` or `output_2` in either order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from generate.records import Message
from judge.imports.found import Better, Compared, Item, Request, Said, Skipped
from judge.imports.rows import Foreign, read_rows

ORDERS: dict[str, Literal["first", "second"]] = {"swap = False": "first", "swap = True": "second"}
BETTER: dict[str, Better] = {"1": "first", "2": "second"}


class LlmBarRow(Foreign):
    """One pair with its gold label."""

    input: str
    output_1: str
    output_2: str
    label: Literal[1, 2]


class Verdict(Foreign):
    """What a judge said in one order."""

    completion: tuple[str | None, ...] = ()
    winner: str | None


class JudgedRow(LlmBarRow):
    """The same with a judge's verdicts, one for each order."""

    results: tuple[dict[str, Verdict], ...] = Field(min_length=1)


def read_llmbar(request: Request) -> Iterator[Item]:
    """Pairs with their gold labels."""
    for number, (_, row) in enumerate(read_rows(request, LlmBarRow), start=1):
        said = Said(BETTER[str(row.label)], request.principle, request.annotator)
        yield _compared(number, row, (said,))


def read_llmbar_verdicts(request: Request) -> Iterator[Item]:
    """Pairs with a judge's verdicts; a verdict that names neither response is left out."""
    for number, (_, row) in enumerate(read_rows(request, JudgedRow), start=1):
        verdicts = [(swap, verdict) for result in row.results for swap, verdict in result.items()]
        unread = [swap for swap, verdict in verdicts if verdict.winner not in BETTER or swap not in ORDERS]
        yield from (Skipped("a verdict that names neither response") for _ in unread)
        said = tuple(
            Said(
                BETTER[verdict.winner],
                request.principle,
                request.annotator,
                voice="ai",
                shown_first=ORDERS[swap],
            )
            for swap, verdict in verdicts
            if verdict.winner in BETTER and swap in ORDERS
        )
        yield _compared(number, row, said)


def _compared(number: int, row: LlmBarRow, said: tuple[Said, ...]) -> Item:
    if not row.input.strip():
        return Skipped("no prompt")
    turn = Message(role="user", content=row.input)
    return Compared(f"llmbar-{number}", (turn,), row.output_1, row.output_2, said)
