"""A small but whole run for tests: a random two-layer model, three principles, a handful of prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.forked import OF_ALL, can_fork, run_forked

CONSTITUTION = """\
# yaml-language-server: $schema=constitution.schema.json
name: tiny
principles:
  - id: short
    text: The answer is short.
    weight: 2
    check: {type: words, min: 1, max: 6, scale: 6}
  - id: few-vowels
    text: The answer has few vowels.
    check: {type: pattern, pattern: "[aeiou]", scale: 12}
  - id: no-repetition
    text: The answer does not repeat itself.
    scope: [ask]
    check: {type: repetition, n: 2, scale: 0.3}
"""

RUN = """\
name: tiny
constitution: constitution.yaml
prompts: {{train: train.jsonl, heldout: heldout.jsonl}}
model: {model}
seed: 3
generate:
  samples: 3
  sampling: {{max_new_tokens: 12}}
  prompts_per_batch: 4
judges:
  rules: {{kind: rules}}
  reader: {{kind: llm, engine: embedded, model: {model}, readout: direct, batch_pairs: 1}}
judge: rules
second_opinion: {{judge: reader, pairs: 3}}
train:
  lora: {{r: 4, alpha: 8}}
  learning_rate: 1.0e-2
  epochs: 4
  pairs_per_step: 4
  checkpoint_every: 2
  log_every: 2
behaviour: {{samples: 2, resamples: 500}}
"""

SUBJECTS = (
    "bread",
    "rivers",
    "clocks",
    "gardens",
    "maps",
    "boots",
    "soup",
    "bridges",
    "kites",
    "lamps",
    "seeds",
    "doors",
)
HELDOUT = ("harbours", "violins", "candles", "tunnels", "feathers")


def write_run(folder: Path, model: str) -> Path:
    """Write constitution, prompts and run file into `folder`; returns the run file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "constitution.yaml").write_text(CONSTITUTION, encoding="utf-8")
    for name, subjects in (("train", SUBJECTS), ("heldout", HELDOUT)):
        lines = [
            json.dumps(
                {"id": f"{name}-{i}", "prompt": f"What should one know about {s}?", "tags": ["ask"] if i % 2 else []}
            )
            for i, s in enumerate(subjects)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run_file = folder / "run.yaml"
    run_file.write_text(RUN.format(model=model), encoding="utf-8")
    return run_file


def command(*arguments: object) -> list[str]:
    """The real command line, in a process of its own."""
    return [sys.executable, "-m", "pipeline.cli", *(str(argument) for argument in arguments)]


def preceptor(*arguments: object, cwd: Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    if can_fork(environment()):
        return run_forked([str(argument) for argument in arguments], cwd, environment(), seconds)
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=seconds, check=False
    )


def environment() -> dict[str, str]:
    """This process's variables, with those that every command of a test is given."""
    return {**os.environ, **OF_ALL}
