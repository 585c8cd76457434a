"""What became of an import: import.json, and the same in words."""

from __future__ import annotations

from constitution.record import Record
from judge.imports.found import Request


class ImportAccount(Record):
    """What an import folder is made of, import.json: where it is from, and what became of it."""

    request: Request
    """What was asked for: format, sources, licence, notes."""
    versions: dict[str, str]
    """Every source's identity: a file's digest, a hub data set's commit, or that it is not known."""
    compared: int
    """Comparisons read, those that were skipped not counted."""
    prompts: int
    """Different conversations."""
    pairs: int
    """Different pairs: comparisons of the same two texts are one pair."""
    opinions: int
    """What was said of them."""
    verdicts: dict[str, int]
    """The opinions by the side that they prefer, `a` or `b` as the pairs have them; ties and abstentions."""
    singles: int
    """Responses rated on their own."""
    skipped: dict[str, int]
    """What could not be used, by reason."""
    principles: dict[str, str]
    """Principles that the data brought along: id and text."""


def account_lines(account: ImportAccount) -> list[str]:
    """The account in words."""
    lines = [
        f"{account.compared} comparisons: {account.pairs} different pairs of {account.prompts} prompts",
        f"{account.opinions} opinions: {_listed(account.verdicts) or 'none'}",
    ]
    if account.singles:
        lines.append(f"{account.singles} single responses")
    if account.principles:
        lines.append(f"principles: {', '.join(account.principles)}")
    return [*lines, f"skipped: {skipped_words(account) or 'nothing'}"]


def skipped_words(account: ImportAccount) -> str:
    """`748 (an annotation without a preference)`: why, and how many."""
    return "; ".join(f"{count} ({reason})" for reason, count in account.skipped.items())


def _listed(counts: dict[str, int]) -> str:
    return "; ".join(f"{count} {name}" for name, count in counts.items())
