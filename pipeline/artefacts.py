"""A file of the run folder that cannot be read any more: kept under another name, and made again by the same command.

Only for files that a stage wrote. A user's own file is never renamed: its faults are the user's to mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from constitution.errors import ConfigError, StoreError
from constitution.salvage import set_aside


@contextmanager
def damage_set_aside(root: Path) -> Iterator[None]:
    """Faults in files of the run folder `root` become a StoreError, and the file gets out of the way.

    The process must hold the folder's lock.
    """
    try:
        yield
    except ConfigError as error:
        if (path := _damaged(error, root)) is None:
            raise
        aside = set_aside(path)
        raise StoreError(
            f"{error.problems[0]}\n{path.name} is damaged, or of another version; it is kept as {aside.name}. Run the "
            "same command again, and the stage that wrote it makes it anew (of a stage alone: that stage first)."
        ) from error


@contextmanager
def damage_told(root: Path) -> Iterator[None]:
    """The same for who only reads the folder and leaves the file where it is: what to do about it."""
    try:
        yield
    except ConfigError as error:
        if (path := _damaged(error, root)) is None:
            raise
        raise StoreError(
            f"{error.problems[0]}\n{path.name} is damaged, or of another version: remove it, and `preceptor run` with "
            "this run file makes it anew"
        ) from error


def _damaged(error: ConfigError, root: Path) -> Path | None:
    """The file of the run folder that the fault is in; None if it is in another file."""
    path = Path(error.problems[0].file)
    return path if path.parent.resolve() == root.resolve() and path.is_file() else None
