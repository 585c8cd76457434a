"""Tasks through Ray Data: one class of actors, a task at a time each, answers in the order in which they come.

Tasks lie in Parquet files in the run folder while they are worked on, so that memory does not grow with their number.
An actor that dies costs the task that it had in hand: Ray starts another, and that task is done again.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from constitution.errors import PreceptorError
from pipeline.executor_settings import RayExecutor
from pipeline.ray_actors import BODY

if TYPE_CHECKING:
    from ray.data import Dataset
    from ray.exceptions import RayError

    from pipeline.ray_actors import JudgeActor, SampleActor

TASKS_A_FILE = 256
OBJECTS_BYTES = 256 * 1024 * 1024
"""Ray's object store on this machine: no more than a few tasks and answers are in it at a time."""

JOINING = (
    " (a cluster that asks for a token is joined with `RAY_AUTH_MODE=token` and its token in `RAY_AUTH_TOKEN` or "
    "~/.ray/auth_token; one without, with `RAY_AUTH_MODE=disabled`)"
)


class TaskFiles:
    """A folder of tasks, emptied before the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()  # a cluster's workers have working folders of their own
        self.count = 0
        self._rest: list[str] = []

    def add(self, task: str) -> None:
        """One task more. Raises PreceptorError if Ray is not installed."""
        if self.count == 0:
            check_installed()
            self.remove()
            self.folder.mkdir()
        self._rest.append(task)
        self.count += 1
        if len(self._rest) == TASKS_A_FILE:
            self.flush()

    def flush(self) -> None:
        """Write those that are not in a file yet."""
        import pyarrow as pa
        from pyarrow import parquet

        if self._rest:
            table = pa.table({BODY: pa.array(self._rest, pa.large_string())})
            parquet.write_table(table, self.folder / f"{self.count:012d}.parquet")
            self._rest.clear()

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def check_installed() -> None:
    """Raises PreceptorError that names the extra."""
    if importlib.util.find_spec("ray") is None:
        raise PreceptorError(
            "`executor: {type: ray}` needs Ray, which is not installed: pip install 'preceptor[ray]', or leave "
            "`--executor ray` away"
        )


def answers(
    tasks: TaskFiles, actor: type[JudgeActor | SampleActor], work: str, settings: RayExecutor, gpus: int
) -> Iterator[str]:
    """One answer a task. `work` is what the actors are told first; `gpus`: how many an actor's engine would fill.

    Raises PreceptorError with what Ray says ended the work, such as actors that died oftener than `restarts` allows.
    """
    tasks.flush()
    with _cluster(settings):
        from ray.exceptions import RayError

        try:
            for row in _answered(tasks, actor, work, settings, gpus).iter_rows():
                yield row[BODY]
        except RayError as error:
            raise _ended(error, settings) from error


def _answered(
    tasks: TaskFiles, actor: type[JudgeActor | SampleActor], work: str, settings: RayExecutor, gpus: int
) -> Dataset:
    import ray
    from ray.data import ActorPoolStrategy, DataContext, read_parquet

    DataContext.get_current().enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it raises says it once
    share = _gpus_per_actor(settings, gpus, ray.cluster_resources().get("GPU", 0.0))
    one_by_one = read_parquet(str(tasks.folder)).repartition(target_num_rows_per_block=1)
    with warnings.catch_warnings():
        # No named parameter stands for the restarts, and without these arguments Ray restarts an actor for ever.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        return one_by_one.map_batches(
            actor,
            fn_constructor_args=(work,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=settings.actors, max_tasks_in_flight_per_actor=1),
            num_cpus=settings.cpus_per_actor,
            num_gpus=share,
            max_restarts=settings.restarts,
            max_task_retries=settings.restarts,
        )


def _ended(error: RayError, settings: RayExecutor) -> PreceptorError:
    """What a user is told of an error of Ray's."""
    from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

    kept = "What was finished is kept: the same command goes on from there."
    if isinstance(error, RayActorError | OutOfMemoryError):
        return PreceptorError(
            f"an actor died, oftener than `executor.restarts: {settings.restarts}` allows, most likely for want of "
            "memory: ask for fewer `actors`, or lower `batch_pairs` or `prompts_per_batch`. "
            f"{kept} ({_first_line(error)})"
        )
    # Of a task's error the first line is its place; the last is what was raised.
    said = str(error).strip().splitlines()[-1] if isinstance(error, RayTaskError) else _first_line(error)
    return PreceptorError(f"Ray ended the work: {type(error).__name__}: {said}. {kept}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _gpus_per_actor(settings: RayExecutor, wanted: int, there: float) -> float:
    """Raises PreceptorError where Ray, started here, would wait for GPUs that this machine does not have."""
    share = settings.gpus_per_actor
    if share is None:
        share = float(wanted) if there else 0.0
    if settings.address is None and share * settings.actors > there:
        raise PreceptorError(
            f"{settings.actors} actors with {share:g} GPUs each need {share * settings.actors:g}, and Ray finds "
            f"{there:g} here: lower `executor.actors` or `executor.gpus_per_actor`"
        )
    return share


@contextmanager
def _cluster(settings: RayExecutor) -> Iterator[None]:
    """The running cluster, or one on this machine for as long as the block lasts."""
    # Read when ray is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    from ray.exceptions import RayError

    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "error"}
    # Short: the names of Ray's sockets, which lie in it, are limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        try:
            if settings.address is not None:
                ray.init(address=settings.address, **quiet)
            else:
                ray.init(
                    address="local",
                    num_cpus=math.ceil(settings.actors * settings.cpus_per_actor) + 1,  # one reads the tasks
                    object_store_memory=OBJECTS_BYTES,
                    include_dashboard=False,
                    _temp_dir=folder,
                    **quiet,
                )
        except (RayError, OSError, ValueError, RuntimeError) as error:
            hint = "" if settings.address is None else JOINING
            raise PreceptorError(f"Ray cannot be started or reached: {_first_line(error)}{hint}") from error
        try:
            yield
        finally:
            ray.shutdown()
