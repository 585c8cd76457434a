"""Files of a run folder that were made of others than are there now, as after `label` without `train`: in words.

A whole `preceptor run` leaves none. Who shows a run that a single stage was called on says which of it belong together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from constitution.errors import PreceptorError
from constitution.identity import file_digest
from generate.models import resolve_model
from pipeline.context import Run
from pipeline.folder import RunFolder
from pipeline.invoked import command
from pipeline.used import differences, settings_of


def out_of_step(folder: RunFolder) -> Iterator[str]:
    """A sentence for the training, and one for the behaviour, that is of something else than the folder has now."""
    if _other_labels(folder):
        yield (
            f"the policy was trained with other labels than {folder.labels.name} has now, so what it learned, and how "
            "it behaves, is not of the labels and weights that are shown: `preceptor train` and what follows mend it"
        )
    if measured_policy(folder) is False:
        yield (
            f"{folder.behaviour.name} was measured with another policy than {folder.policy.name} has now: "
            "`preceptor behaviour` measures this one"
        )


def _other_labels(folder: RunFolder) -> bool:
    stamp = folder.stamp("train")
    return stamp is not None and folder.labels.exists() and stamp.inputs.get("labels") != file_digest(folder.labels)


def measured_policy(folder: RunFolder) -> bool | None:
    """Whether the behaviour that is there was measured with the policy that is there; None where none is."""
    stamp, there = folder.stamp("behaviour"), None
    if stamp is None or not folder.behaviour.exists():
        return None
    with suppress(PreceptorError):  # a policy that cannot be read is not the one that was measured either
        there = resolve_model(str(folder.policy.resolve())).revision
    return stamp.inputs.get("policy") == there


def trained_otherwise(run: Run) -> str:
    """With what else the run's policy was trained, and what to do: for who found that it is not this run's."""
    again, stamp = f"run `{command(run, 'train')}` first", run.folder.stamp("train")
    if _other_labels(run.folder) or stamp is None or stamp.used is None:
        return f"other labels than the run has now: {again}"
    now = settings_of(run.config, "model", "revision", "seed", "train")
    apart = differences({name: stamp.used.config.get(name) for name in now}, now)
    if not apart:
        return f"other labels or settings than the run has now: {again}"
    values = ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in apart.items())
    return f"other settings than the run has now ({values}): give the flags that it was made with, or {again}"
