"""An export -> wherever fsspec reaches: `s3://bucket/name`, `gs://...`, `memory://...`."""

from __future__ import annotations

from pathlib import Path

from constitution.errors import DataError, harmless
from generate.record_files import reached


def check_free(where: str) -> None:
    """Raise DataError if something is there already, or the address cannot be reached."""
    with reached(where, "reached"):
        from fsspec.core import url_to_fs

        system, path = url_to_fs(where)
        taken = system.exists(path)
    if taken:
        raise DataError(f"{harmless(where)}: is there already; give `--out` a new address")


def upload(local: Path, where: str) -> None:
    """A file, or a folder with all in it. Raises DataError where it is not taken."""
    with reached(where, "written"):
        from fsspec.core import url_to_fs

        system, path = url_to_fs(where)
        system.put(str(local), path, recursive=local.is_dir())
