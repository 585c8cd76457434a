"""Every error that is a user's to mend, in one tree.

    PreceptorError(ValueError)
    +-- ConfigError        a YAML or JSONL file says something that cannot be meant
    +-- DataError          records that cannot be used: no pairs, no labels, a broken line
    +-- ModelError         a model that cannot be found or loaded safely
    +-- JudgeError         a judge that cannot be asked at all (a single failed vote is a Vote, not an exception)
    +-- StoreError         a run folder or store that cannot be used as it is

The command line prints the message of these and nothing else; any other exception is our mistake and keeps its traceback.
"""

from __future__ import annotations

from typing import NamedTuple


class PreceptorError(ValueError):
    """A mistake that the user can mend; `str(error)` says where it is and what was expected."""


class Problem(NamedTuple):
    """One fault in a text file. `line` and `column` count from 1; `snippet` is the line itself."""

    file: str
    line: int
    column: int
    message: str
    snippet: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: {self.message}"
        if not self.snippet:
            return where
        caret = " " * (self.column - 1) + "^"
        return f"{where}\n    {self.snippet}\n    {caret}"


class ConfigError(PreceptorError):
    """A constitution, run file or prompt file with one or more faults, all of them listed."""

    def __init__(self, problems: list[Problem]) -> None:
        assert problems, "a ConfigError without a problem"
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class DataError(PreceptorError):
    """Records that are missing, contradictory or unusable."""


class ModelError(PreceptorError):
    """A model that is missing, or that could only be loaded unsafely."""


class JudgeError(PreceptorError):
    """A judge that cannot judge anything: no engine, no check, no way to constrain its answer."""


class StoreError(PreceptorError):
    """A run folder or store that is locked, damaged or of another version."""
