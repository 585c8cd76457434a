"""Every error that is a user's to mend, in one tree.

    PreceptorError(ValueError)
    +-- ConfigError        a YAML or JSONL file says something that cannot be meant
    +-- DataError          records that cannot be used: no pairs, no labels, a broken line
    +-- ModelError         a model that cannot be found or loaded safely
    +-- JudgeError         a judge that cannot be asked at all (a single failed vote is a Vote, not an exception)
    +-- StoreError         a run folder or store that cannot be used as it is

The command line prints the message of these and nothing else, and one sentence for an error of the disk that names a
file; any other exception is our mistake and keeps its traceback.
"""

from __future__ import annotations

import errno
import unicodedata
from typing import NamedTuple

from constitution.secret import may_be_shown, without_secrets

EXCERPT_WIDTH = 100
MOST_SHOWN = 50
"""Faults of one file that a message spells out."""
LONGEST_PATH = 300
"""Characters of a path that a message shows."""
_NULL = "embedded null"
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class PreceptorError(ValueError):
    """A mistake that the user can mend; `str(error)` says where it is and what was expected, and is safe to print."""

    about: str | None = None
    """The path or the model's name that could not be used, where a file may name it: who reads that file says where."""

    def __init__(self, message: str, about: str | None = None) -> None:
        super().__init__("\n".join(harmless(line) for line in without_secrets(message).split("\n")))
        self.about = about


def harmless(text: str) -> str:
    """As many characters, on one line, safe to print: tabs become spaces, control and invisible characters �."""
    spaced = text.replace("\t", " ").replace("\n", " ")
    return "".join("�" if unicodedata.category(c) in _INVISIBLE else c for c in spaced)


def _width(text: str) -> int:
    """Terminal columns: East Asian wide characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _excerpt(line: str, column: int) -> str:
    """At most EXCERPT_WIDTH characters of the line around `column`, with a caret below it."""
    start = 0 if column <= EXCERPT_WIDTH else column - EXCERPT_WIDTH // 2
    shown = ("…" if start else "") + harmless(line[start : start + EXCERPT_WIDTH])
    cut = "…" if len(line) > start + EXCERPT_WIDTH else ""
    before = shown[: column - 1 - start + (1 if start else 0)]
    return f"    {shown}{cut}\n    {' ' * _width(before)}^"


_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "files may not grow that large here",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "an input/output error",
    errno.EMFILE: "too many open files",
}


def disk_trouble(error: OSError | ValueError) -> str | None:
    """One sentence for an error of the disk, or of a path that no file can have; None for any other, our mistake."""
    if not isinstance(error, OSError):
        return "a path holds a null character, which no file's name can" if _NULL in str(error) else None
    where = f"{harmless(shortened(str(error.filename)))}: " if error.filename else ""
    if error.errno in _DISK:
        return f"{where}{_DISK[error.errno]}. What was finished is kept: the same command goes on from there."
    return f"{where}{error.strerror or error}" if where else None


def shortened(path: str) -> str:
    """A path or name, of a long one its beginning and its end: it may be what is too long about it."""
    return path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH // 2]}…{path[-LONGEST_PATH // 2 :]}"


class Problem(NamedTuple):
    """One fault in a text file. `line` and `column` count from 1, in characters; `snippet` is the line itself.

    With line 0, `file` is no file but a flag of the command.
    """

    file: str
    line: int
    column: int
    message: str
    snippet: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = harmless(f"{place}: {self.message}")
        return (
            f"{where}\n{_excerpt(self.snippet, self.column)}" if self.snippet and may_be_shown(self.snippet) else where
        )


class ConfigError(PreceptorError):
    """A constitution, run file or prompt file with one or more faults: all in `problems`, the first in the message."""

    def __init__(self, problems: list[Problem]) -> None:
        assert problems, "a ConfigError without a problem"
        self.problems = problems
        more = [f"and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
        super().__init__("\n".join([*(str(problem) for problem in problems[:MOST_SHOWN]), *more]))


class DataError(PreceptorError):
    """Records that are missing, contradictory or unusable."""


class ModelError(PreceptorError):
    """A model that is missing, or that could only be loaded unsafely."""


class JudgeError(PreceptorError):
    """A judge that cannot judge anything: no engine, no check, no way to constrain its answer."""


class StoreError(PreceptorError):
    """A run folder or store that is locked, damaged or of another version."""
