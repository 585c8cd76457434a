"""The run's training, its model loaded and not yet trained: what retraining and following the run start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constitution.errors import DataError
from constitution.store import Store
from pipeline.ablation_inputs import Material
from pipeline.context import Run
from pipeline.out_of_step import trained_otherwise
from pipeline.singles import read_singles

if TYPE_CHECKING:
    from train.records import TrainItem
    from train.session import Job, Session


def trained_job(run: Run, found: Material) -> Job:
    """Loads no model. Raises DataError where the run's policy was trained on something else."""
    from train.session import Job

    items: list[TrainItem] = [*found.pairs, *read_singles(run, found.pairs)]
    job = Job(items, run.reference, run.config.train, run.config.seed, run.folder.policy, run.folder.metrics)
    if job.inputs != found.inputs:
        raise DataError(f"{run.folder.training}: the policy was trained with {trained_otherwise(run)}")
    return job


def trained_session(run: Run, found: Material) -> Session:
    """Raises DataError as `trained_job`."""
    from train.reference import ReferenceLogps
    from train.session import prepare

    job = trained_job(run, found)
    run.console.say(f"  loading {run.reference.name}")
    with Store(run.folder.references, ReferenceLogps) as references:
        return prepare(job, references, run.console.tick)
