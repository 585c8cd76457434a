"""What a Ray actor does: it opens one engine at its first task, and answers tasks with it until it is no longer needed.

A user's mistake travels in the answer; anything else ends the task with its traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from constitution.errors import ModelError, PreceptorError
from constitution.record import Record
from generate.sampling import sample_batch
from judge.ask import ask_batch
from judge.interface import Judge
from pipeline.config import RunConfig
from pipeline.console import Console
from pipeline.context import Run
from pipeline.folder import RunFolder
from pipeline.ray_tasks import Home, JudgeAnswer, JudgeTask, JudgeWork, SampleAnswer, SampleTask, SampleWork, asks_of

if TYPE_CHECKING:
    import pyarrow as pa

BODY = "body"
"""The one column of the tables that come and go."""


def _run(home: Home) -> Run:
    config = RunConfig.model_validate_json(home.config)
    return Run(config, Path(home.base), RunFolder(Path(home.root)), Console())


class JudgeActor:
    """A judge with its engine."""

    def __init__(self, work: str) -> None:
        """`work`: a JudgeWork as JSON. It is read with the first task, so that a fault in it is that task's."""
        self._text = work

    @cached_property
    def _work(self) -> JudgeWork:
        return JudgeWork.model_validate_json(self._text)

    @cached_property
    def _judge(self) -> Judge:
        work, run = self._work, _run(self._work.home)
        # A part of a constitution may consist of weight 0 only, which a constitution of its own may not.
        part = run.constitution.model_copy(update={"principles": work.principles})
        judge = run.judge_alone(work.judge, part)
        if judge.digest != work.digest:
            raise ModelError(
                f"judge `{judge.name}`: its model or template on an actor's node is not this process's: the run file's "
                "folder and the models must be the same on every node (of a Hugging Face model, name the `revision`)"
            )
        return judge

    def __call__(self, tasks: pa.Table) -> pa.Table:
        """One answer a task."""
        return _answered(tasks, lambda task: self._answer(JudgeTask.model_validate_json(task)))

    def _answer(self, task: JudgeTask) -> JudgeAnswer:
        try:
            principles = {principle.id: principle for principle in self._work.principles}
            answered = ask_batch(self._judge, asks_of(task, self._judge, principles), {})
        except PreceptorError as error:
            return JudgeAnswer(stopped=str(error))
        stopped = None if answered.stopped is None else str(answered.stopped)
        return JudgeAnswer(votes=tuple(answered.votes), stopped=stopped)


class SampleActor:
    """A model that answers prompts."""

    def __init__(self, work: str) -> None:
        """`work`: a SampleWork as JSON, read with the first task."""
        self._text = work

    @cached_property
    def _work(self) -> SampleWork:
        return SampleWork.model_validate_json(self._text)

    @cached_property
    def _run(self) -> Run:
        return _run(self._work.home)

    def __call__(self, tasks: pa.Table) -> pa.Table:
        """One answer a task."""
        return _answered(tasks, lambda task: self._answer(SampleTask.model_validate_json(task)))

    def _answer(self, task: SampleTask) -> SampleAnswer:
        try:
            engine = self._run.engine(self._run.config.engine, self._work.model)
            return SampleAnswer(sets=sample_batch(task.prompts, self._work.plan, engine))
        except PreceptorError as error:
            return SampleAnswer(stopped=str(error))


def _answered(tasks: pa.Table, answer: Callable[[str], Record]) -> pa.Table:
    import pyarrow as pa

    answers = [answer(task).model_dump_json() for task in tasks.column(BODY).to_pylist()]
    return pa.table({BODY: pa.array(answers, pa.large_string())})
