"""How fast each judge answered in this run, in 30-pace.json: what a dry run's estimate of time rests on."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import RootModel

from constitution.files import write_json
from constitution.read_json import read_record
from judge.pace import Pace
from pipeline.context import Run


class _Paces(RootModel[dict[str, Pace]]):
    """The file: by the judge's digest."""


def read_paces(run: Run) -> dict[str, Pace]:
    """By the judge's digest; nothing where nothing was measured yet."""
    if not run.folder.paces.exists():
        return {}
    return read_record(run.folder.paces, _Paces).root


def keep_paces(run: Run, fresh: Mapping[str, Pace]) -> None:
    """The newest pace of each judge; one that may hold the loading of a model never replaces one that does not."""
    known = read_paces(run)
    better = {i: pace for i, pace in fresh.items() if i not in known or known[i].loading or not pace.loading}
    if better:
        write_json(run.folder.paces, {judge: pace.model_dump() for judge, pace in (known | better).items()})
