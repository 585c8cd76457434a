"""One warning about a constitution."""

from __future__ import annotations

from typing import NamedTuple

from constitution.errors import Problem
from constitution.extend import Written


class Finding(NamedTuple):
    """What is doubtful, by which check, and where."""

    check: str
    """The check's name."""
    problem: Problem

    def __str__(self) -> str:
        return str(self.problem._replace(message=f"warning [{self.check}]: {self.problem.message}"))


def finding(written: Written, check: str, principle: str, field: str, why: str) -> Finding:
    """A warning at a principle's field."""
    return Finding(check, written.problem(principle, field, f"`{principle}`: {why}"))
