"""Whether the judges of a run can be asked about its constitution: found out before the first answer is sampled, which
takes hours, and by a dry run too. No model is looked for or loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from constitution.model import Constitution
from generate.engine import ModelRef
from judge.judges import open_judge
from judge.settings import RecordedJudge
from pipeline.context import Run
from pipeline.sources import parts_of

NOWHERE = ModelRef(name="", path="", revision="")
"""Stands for a judge's model, which says nothing of whether the judge can be asked."""


def check_applicable(run: Run, stages: Sequence[str]) -> None:
    """Read the constitution, and open every judge that these stages ask.

    Raises as reading the constitution does, and as `open_judge`: for rules, principles without a check; for an llm
    judge, faults of its template and of its questions; for a recorded one, a file that is not there or fits nothing.
    """
    law = run.constitution
    for name, part in _asked(run, law, stages):
        _open(run, name, part)


def _asked(run: Run, law: Constitution, stages: Sequence[str]) -> Iterator[tuple[str, Constitution]]:
    """Entries of `judges`, each with the principles that it votes on."""
    config, other = run.config, run.config.second_opinion
    measured = "behaviour" in stages
    if "judge" in stages or (measured and config.behaviour.judge is None):
        yield from parts_of(config.judge, law, config.sources).items()
    if "second-opinion" in stages and other:
        yield other.judge, law
    if measured and config.behaviour.judge is not None:
        yield config.behaviour.judge, law


def _open(run: Run, name: str, part: Constitution) -> None:
    settings = run.config.judges[name]
    if isinstance(settings, RecordedJudge):
        settings = settings.model_copy(update={"file": str(run.base / settings.file)})
    open_judge(name, settings, part, NOWHERE, _never, run.base, _never)


def _never() -> NoReturn:
    raise AssertionError("nothing is asked here")
