"""Where derived files live between runs: converted models and the digests of large files.

The folder is PRECEPTOR_CACHE, else XDG_CACHE_HOME/preceptor, else ~/.cache/preceptor. Everything in it can be deleted
and is then made again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from constitution.files import fsync_folder, write_atomically
from constitution.identity import Canonical, digest, file_digest

UNFINISHED = ".unfinished"


def cache_folder() -> Path:
    """The cache folder, created if need be."""
    named = os.environ.get("PRECEPTOR_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME")
    folder = Path(named) if named else (Path(shared) if shared else Path.home() / ".cache") / "preceptor"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def content_digest(files: Sequence[Path]) -> str:
    """Digest over names and contents of `files`. Read in full once; remembered by path, size and time of change."""
    listing: list[Canonical] = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    sidecar = cache_folder() / "digests" / digest("listing", files=listing)
    if sidecar.is_file():
        return sidecar.read_text(encoding="ascii")
    found = digest("files", files=[[file.name, file_digest(file)] for file in files])
    sidecar.parent.mkdir(exist_ok=True)
    write_atomically(sidecar, found)
    return found


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """`target`, a folder that `build` fills if it does not exist yet.

    `build` is given an unfinished folder beside it, which is renamed when all its files are on disk: `target` is whole
    or absent. Of several processes one builds and the others wait; a crash releases the lock, and the next build
    removes what it left.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(target.name + ".lock")):
        if not target.is_dir():
            unfinished = target.with_name(target.name + UNFINISHED)
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            _flush(unfinished)
            os.replace(unfinished, target)
            fsync_folder(target.parent)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    fsync_folder(folder)
