"""Files of this machine as data: what a URL of fsspec means here, and that a folder holds nothing that leads elsewhere.

Folders of data come from others: a link in one must not have another file read as prompts, and a pipe or a device in
the place of a file would never end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from constitution.errors import DataError, harmless

SCHEMES = ("file", "local")
CACHES = ("simplecache", "filecache", "blockcache", "cached")
SNAPSHOTS = "snapshots"
"""The hub's cache keeps a data set's files beside this folder, which links to them."""


def local_path(where: str) -> str | None:
    """The path that a path or URL of this machine is; None where fsspec is needed. A cache before it is not used."""
    if "://" not in where:
        return where
    *before, last = where.split("::")
    if last.partition("://")[0] not in SCHEMES or any(one.partition("://")[0] not in CACHES for one in before):
        return None
    from fsspec.core import url_to_fs

    return str(url_to_fs(last)[1])


def check_is_data(where: str) -> None:
    """Raise DataError where a part of the URL is a pipe or a device of this machine: reading it would not end."""
    for part in where.split("::") if "://" in where else []:
        scheme, found, path = part.rpartition("://")
        if (not found or scheme in SCHEMES) and _kind(Path(path)) == "other":
            raise DataError(f"{harmless(where)}: {harmless(path)} is a pipe or a device, a file was expected")


def check_inside(folder: Path, paths: Iterable[Path]) -> None:
    """Raise DataError at a link out of the folder, and at a pipe or a device in it."""
    base = _base(folder)
    for path in paths:
        place = Path(os.path.realpath(path))
        if not place.is_relative_to(base):
            raise DataError(
                f"{harmless(str(path))}: a link to {harmless(str(place))}, which is outside the folder: put the file "
                "itself there, or name it instead of the folder"
            )
        if _kind(path) == "other":
            raise DataError(f"{harmless(str(path))}: this is a pipe or a device, a file was expected")


def unusual(folder: Path) -> Iterator[Path]:
    """What is neither a file nor a folder, in it and in the folders below it: links, pipes, devices."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from unusual(Path(entry.path))
        elif not entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _base(folder: Path) -> Path:
    """The folder that its links may lead into."""
    real = Path(os.path.realpath(folder))
    snapshots = next((above for above in real.parents if above.name == SNAPSHOTS), None)
    return snapshots.parent if snapshots else real


def _kind(path: Path) -> str:
    """`file`, `folder`, `other`, or `none` where nothing of this name can be looked at."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "none"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"
