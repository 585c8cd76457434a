"""A documented piece of YAML -> a whole file around it, which the real loaders read as they read a user's.

The piece goes in as it is written; what a file needs besides, and the piece does not say, comes before it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from constitution.load import load_constitution, load_yaml
from constitution.model import Constitution
from judge.settings import LlmJudge
from pipeline.config import RunConfig
from tests.doc_blocks import ROOT

RUN = {
    "name": "documented",
    "constitution": "constitution.yaml",
    "prompts": {"train": "train.jsonl", "heldout": "heldout.jsonl"},
    "model": "bundled:smollm2-135m-instruct",
    "engines": {"embedded": {"type": "transformers"}, "fast": {"type": "vllm"}, "server": {"type": "openai"}},
    "judges": {
        "rules": {"kind": "rules"},
        "real": {"kind": "llm", "engine": "fast", "model": "org/judge"},
        "small": {"kind": "llm", "engine": "embedded", "model": "org/judge"},
        "people": {"kind": "recorded", "file": "gold"},
        "taste": {"kind": "reward-model", "model": "org/reward"},
    },
    "judge": "rules",
}
A_JUDGE = "judges:\n  real:\n    kind: llm\n    engine: fast\n    model: org/judge\n    readout: two_step\n"


def load_block(text: str, folder: Path) -> RunConfig | Constitution:
    """What the block is part of. Raises ConfigError as for a user's file; AssertionError if it is part of neither."""
    value = yaml.safe_load(text)
    if isinstance(value, list):
        return _constitution("principles:\n" + _indented(text, 2), folder)
    if set(value) <= set(RunConfig.model_fields):
        return _run(text, folder)
    if set(value) <= {*Constitution.model_fields, "extends", "remove"}:
        return _constitution(text, folder)
    if set(value) <= set(LlmJudge.model_fields):
        return _run(A_JUDGE + _indented(text, 4), folder)
    raise AssertionError(f"neither a run file nor a constitution nor a judge has all of {sorted(value)}")


def _run(text: str, folder: Path) -> RunConfig:
    value = yaml.safe_load(text)
    base: dict[str, Any] = dict(RUN)
    if "judges" in value:
        base["judge"] = next(iter(value["judges"]))
    if "pairs" in value:
        base["prompts"] = {"heldout": "heldout.jsonl"}
    return load_yaml(_written(folder / "run.yaml", base, text), RunConfig)


def _constitution(text: str, folder: Path) -> Constitution:
    """In a folder beside the example's, which a block may extend."""
    shutil.copytree(ROOT / "examples" / "plain-speech", folder / "plain-speech", dirs_exist_ok=True)
    (folder / "mine").mkdir(exist_ok=True)
    ordered = yaml.safe_load(text).get("aggregation", {}).get("priority", ["short"])
    base = {"name": "documented", "principles": [{"id": name, "text": f"It is {name}."} for name in ordered]}
    return load_constitution(_written(folder / "mine" / "constitution.yaml", base, text))


def _written(file: Path, base: dict[str, Any], text: str) -> Path:
    missing = {key: value for key, value in base.items() if key not in yaml.safe_load(text)}
    head = yaml.safe_dump(missing, sort_keys=False) if missing else ""
    file.write_text(head + text + "\n", encoding="utf-8")
    return file


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.split("\n"))
