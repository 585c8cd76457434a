"""Keep libraries' own progress bars, notices and long messages away from ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

MOST_CHARS = 300


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Within: transformers draws no progress bars and logs errors only. Afterwards everything is as it was."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """What an exception of another library says first; the rest is usually advice on that library."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def kind_and_first_line(error: Exception) -> str:
    """As `first_line`, with the exception's type before it of a readable length; after a colon the next line too."""
    kind, said = type(error).__name__, first_line(error)
    if said.endswith(":"):
        said = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
    return kind if said == kind else f"{kind}: {said[:MOST_CHARS]}"
