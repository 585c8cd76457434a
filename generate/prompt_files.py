"""Where prompts are: a file or a folder of files, of JSON lines or Parquet, on this machine or wherever fsspec reaches.

    prompts/train.jsonl     prompts/     s3://bucket/prompts/     zip://train.parquet::prompts.zip     memory://train.jsonl

They are read anew, one at a time, whenever they are iterated. A folder's files are read in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import ValidationError

from constitution.errors import ConfigError, DataError, Problem, harmless
from constitution.files import numbered_lines, opened
from generate.records import Prompt

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

LINES, TABLES = (".jsonl", ".ndjson"), (".parquet",)
ROWS_AT_ONCE = 1000


class Found(NamedTuple):
    """A prompt, its file, its line or row there (from 1), and the line's text; a row of Parquet has none."""

    file: str
    line: int
    text: str | None
    prompt: Prompt


class PromptSource:
    """The prompts of a file, a folder or a URL."""

    def __init__(self, where: str | Path) -> None:
        self.where = str(where)

    def __iter__(self) -> Iterator[Prompt]:
        """Raises as `found` does."""
        return (found.prompt for found in self.found())

    def found(self) -> Iterator[Found]:
        """Every prompt with its place. Raises ConfigError with all faults of a file; DataError for one not readable."""
        for name, system in self._files():
            with _opened(name, system) as stream:
                yield from _rows(stream, name) if name.endswith(TABLES) else _lines(stream, name)

    def _files(self) -> list[tuple[str, AbstractFileSystem | None]]:
        """File names, each with the file system that it is in; None for this machine's."""
        if not is_url(self.where):
            path = Path(self.where)
            names = [str(one) for one in path.iterdir()] if path.is_dir() else None
            return [(name, None) for name in (_shards(names, self.where) if names is not None else [self.where])]
        with _reached(self.where):
            from fsspec.core import url_to_fs

            system, path_there = url_to_fs(self.where)
            names = system.find(path_there) if system.isdir(path_there) else None
        return [(name, system) for name in (_shards(names, self.where) if names is not None else [path_there])]


def is_url(where: str) -> bool:
    """Whether fsspec is asked, rather than this machine's files."""
    return "://" in where


def located(base: Path, where: str) -> str:
    """A URL as it is, a path relative to `base`."""
    return where if is_url(where) else str(base / where)


def _shards(names: list[str], where: str) -> list[str]:
    shards = sorted(name for name in names if name.endswith(LINES + TABLES))
    if not shards:
        raise DataError(f"{harmless(where)}: a folder without prompts: expected files named *.jsonl or *.parquet in it")
    return shards


@contextmanager
def _reached(where: str) -> Iterator[None]:
    """Whatever a file system of fsspec raises as a DataError."""
    try:
        yield
    except ConfigError:
        raise
    except (OSError, ValueError, ImportError, LookupError, RuntimeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{harmless(where)}: cannot be read ({type(error).__name__}: {said})") from error


@contextmanager
def _opened(name: str, system: AbstractFileSystem | None) -> Iterator[IO[bytes]]:
    if system is None:
        with opened(Path(name)) as stream:
            yield stream
        return
    with _reached(name), system.open(name, "rb") as remote:
        yield remote


def _lines(stream: IO[bytes], name: str) -> Iterator[Found]:
    return (Found(name, one.line, one.text, one.record) for one in numbered_lines(stream, name, Prompt))


def _rows(stream: IO[bytes], name: str) -> Iterator[Found]:
    """Rows of a Parquet file; columns that are empty in a row are not given there."""
    from pyarrow import ArrowException, parquet

    problems: list[Problem] = []
    try:
        batches = parquet.ParquetFile(stream).iter_batches(ROWS_AT_ONCE)
        rows = (row for batch in batches for row in cast("list[dict[str, Any]]", batch.to_pylist()))
        for number, row in enumerate(rows, start=1):
            try:
                prompt = Prompt.model_validate({key: value for key, value in row.items() if value is not None})
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                problems.append(Problem(name, number, 1, f"{f'column `{where}`: ' if where else ''}{first['msg']}"))
                continue
            if not problems:
                yield Found(name, number, None, prompt)
    except (ArrowException, OSError) as error:
        raise DataError(f"{harmless(name)}: not a Parquet file that can be read ({error})") from error
    if problems:
        raise ConfigError(problems)
