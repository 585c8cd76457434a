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
        path = Path(error.problems[0].file)
        if path.parent.resolve() != root.resolve() or not path.is_file():
            raise
        aside = set_aside(path)
        raise StoreError(
            f"{error.problems[0]}\n{path.name} is damaged, or of another version; it is kept as {aside.name}. Run the "
            "same command again, and the stage that wrote it makes it anew (of a stage alone: that stage first)."
        ) from error
