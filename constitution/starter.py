"""The commented constitution that `preceptor constitution init` writes."""

from __future__ import annotations

from pathlib import Path

from constitution.errors import DataError, harmless

STARTER = Path(__file__).with_name("starter.yaml")


def write_starter(path: Path) -> None:
    """Write it to a file that is not there yet. Raises DataError, and writes nothing, where there is one already."""
    text = STARTER.read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise DataError(f"{harmless(str(path))}: is there already, and is left as it is; name another file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"{harmless(str(path))}: cannot be written ({reason})") from error
