"""The run's own side of Ray: batches become tasks, answers come back, and only this process writes them to the store.

A judge whose votes are in a file, or whose model is behind a server, is asked in this process: a server is scaled by
its own means, and its key stays where it is.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from itertools import groupby

from constitution.errors import PreceptorError
from constitution.model import Principle
from generate.engine import ModelRef
from generate.records import Prompt
from generate.sampling import SamplePlan, Sampler, SampleSet
from generate.settings import EngineSettings, OpenAiEngine, VllmEngine
from judge.ask import Answered, Answerer, Batch, ask_here
from judge.interface import Judge
from judge.settings import LlmJudge, RecordedJudge, RulesJudge
from pipeline.context import Run
from pipeline.executor_settings import RayExecutor
from pipeline.ray_actors import JudgeActor, SampleActor
from pipeline.ray_pool import TaskFiles, answers
from pipeline.ray_tasks import Home, JudgeAnswer, JudgeWork, SampleAnswer, SampleTask, SampleWork, judge_task


def ask_on_ray(run: Run, settings: RayExecutor) -> Answerer:
    """Each judge of a panel gets actors of its own, one judge after the other."""

    def answer(batches: Iterable[Batch]) -> Generator[Answered]:
        for judge, turn in groupby(batches, key=lambda batch: batch.judge):
            ask = _on_actors(run, settings, judge) if _has_actors(run, judge) else ask_here
            yield from ask(turn)

    return answer


def _on_actors(run: Run, settings: RayExecutor, judge: Judge) -> Answerer:
    return lambda batches: _asked(run, settings, judge, batches)


def _asked(run: Run, settings: RayExecutor, judge: Judge, batches: Iterable[Batch]) -> Generator[Answered]:
    """What is stored as it is found, then what the actors answer, as it comes."""
    tasks = TaskFiles(run.folder.tasks)
    principles: tuple[Principle, ...] = ()
    try:
        for batch in batches:
            principles, missing = batch.principles, batch.missing
            if missing:
                tasks.add(judge_task(batch).model_dump_json())
            asked = {ask.request.key for ask in missing}
            yield Answered(judge.digest, {k: vote for k, vote in batch.known.items() if k not in asked}, (), 0.0)
        if not tasks.count:
            return
        work = JudgeWork(home=_home(run), judge=judge.name, digest=judge.digest, principles=principles)
        run.console.say(f"  {tasks.count} batches for judge `{judge.name}` on {settings.actors} Ray actors")
        run.close_engines()
        began = time.perf_counter()
        for line in answers(tasks, JudgeActor, work.model_dump_json(), settings, _judges_gpus(run, judge)):
            answer, now = JudgeAnswer.model_validate_json(line), time.perf_counter()
            stopped = None if answer.stopped is None else PreceptorError(answer.stopped)
            yield Answered(judge.digest, {}, answer.votes, now - began, stopped)
            began = now
    finally:
        tasks.remove()


def sample_on_ray(run: Run, settings: RayExecutor, model: ModelRef, plan: SamplePlan) -> Sampler:
    """Every batch of prompts is a task."""

    def sample(batches: Iterable[list[Prompt]]) -> Generator[dict[str, SampleSet]]:
        tasks = TaskFiles(run.folder.tasks)
        try:
            for batch in batches:
                tasks.add(SampleTask(prompts=tuple(batch)).model_dump_json())
            if not tasks.count:
                return
            work = SampleWork(
                home=_home(run),
                model=model,
                plan_sampler=plan.sampler,
                samples=plan.samples,
                sampling=plan.sampling,
                seed=plan.seed,
            )
            run.console.say(f"  {tasks.count} batches for {model.name} on {settings.actors} Ray actors")
            run.close_engines()
            gpus = _engines_gpus(run.config.engines[run.config.engine])
            for line in answers(tasks, SampleActor, work.model_dump_json(), settings, gpus):
                answer = SampleAnswer.model_validate_json(line)
                if answer.stopped is not None:
                    raise PreceptorError(answer.stopped)
                yield answer.sets
        finally:
            tasks.remove()

    return sample


def _home(run: Run) -> Home:
    config = run.config.model_dump_json(exclude_unset=True)
    return Home(config=config, base=str(run.base.resolve()), root=str(run.folder.root.resolve()))


def _has_actors(run: Run, judge: Judge) -> bool:
    settings = run.config.judges[judge.name]
    served = isinstance(settings, LlmJudge) and isinstance(run.config.engines[settings.engine], OpenAiEngine)
    return not (served or isinstance(settings, RecordedJudge))


def _judges_gpus(run: Run, judge: Judge) -> int:
    settings = run.config.judges[judge.name]
    if isinstance(settings, RulesJudge):
        return 0
    return _engines_gpus(run.config.engines[settings.engine]) if isinstance(settings, LlmJudge) else 1


def _engines_gpus(engine: EngineSettings) -> int:
    """How many GPUs one copy of a model fills, where there are any."""
    return engine.tensor_parallel_size if isinstance(engine, VllmEngine) else 1
