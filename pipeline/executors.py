"""Where a run's answers are sampled and its votes asked: in this process, or on Ray actors."""

from __future__ import annotations

from generate.engine import ModelRef
from generate.sampling import SamplePlan, Sampler, sample_here
from judge.ask import Answerer, ask_here
from pipeline.context import Run
from pipeline.executor_settings import LocalExecutor


def answerer(run: Run) -> Answerer:
    """Who puts the judges' questions."""
    if isinstance(run.config.executor, LocalExecutor):
        return ask_here
    from pipeline.ray_driver import ask_on_ray

    return ask_on_ray(run, run.config.executor)


def sampler(run: Run, model: ModelRef, plan: SamplePlan) -> Sampler:
    """Who samples this model's answers."""
    if isinstance(run.config.executor, LocalExecutor):
        return sample_here(plan, lambda: run.engine(run.config.engine, model))
    from pipeline.ray_driver import sample_on_ray

    return sample_on_ray(run, run.config.executor, model, plan)
