"""An import as the tests look at it: what its folder holds, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from constitution.files import read_records
from generate.records import Pair
from judge.imports.account import ImportAccount
from judge.imports.folder import write_import
from judge.imports.found import Item, Request, Single
from judge.imports.read import import_preferences
from judge.opinions import Opinion


class Imported(NamedTuple):
    """A whole import."""

    pairs: list[Pair]
    opinions: list[Opinion]
    singles: list[Single]
    account: ImportAccount


def imported(format_name: str, *sources: Path | str, **more: Any) -> Imported:
    """What `preceptor import` makes of the sources."""
    with TemporaryDirectory() as folder:
        account = import_into(Path(folder), format_name, *sources, **more)
        return _read(Path(folder), account)


def import_into(folder: Path, format_name: str, *sources: Path | str, **more: Any) -> ImportAccount:
    """The import folder itself."""
    names = tuple(str(source) for source in sources)
    request = Request.model_validate({"format": format_name, "sources": names} | more)
    return import_preferences(request, folder)


def gathered(items: Iterable[Item], request: Request) -> Imported:
    """What becomes of items that no reader read."""
    with TemporaryDirectory() as folder:
        return _read(Path(folder), write_import(Path(folder), items, request))


def _read(folder: Path, account: ImportAccount) -> Imported:
    return Imported(
        read_records(folder / "pairs.jsonl", Pair),
        read_records(folder / "opinions.jsonl", Opinion),
        read_records(folder / "singles.jsonl", Single),
        account,
    )
