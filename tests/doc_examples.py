"""The examples as they stand, but for the model, which has two layers, and the number of prompts and tokens: whole runs
in seconds. What is replaced is what costs time, and nothing else."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

from tests.doc_blocks import ROOT

MODELS = ("bundled:smollm2-135m-instruct", "mistralai/Mistral-7B-Instruct-v0.3", "Qwen/Qwen3-8B")
PROMPTS = {"train": 8, "heldout": 4}
SMALLER = {
    r"upper_layers: \d+": "upper_layers: 1",
    r"max_new_tokens: \d+": "max_new_tokens: 8",
    r"(?<=judge: small  )(.*\n\s+pairs:) \d+": r"\1 2",
    r"type: vllm": "type: transformers",
    r"\n +(?:gpu_memory_utilization|max_model_len|tensor_parallel_size):.*": "",
}
"""Pattern in a run file -> what takes its place."""
XSTEST = ("completions_llama2orig.csv", "completions_mistralinstruct.csv")
LLMBAR = ("LLMBar-Natural.json", "recorded/ChatGPT/natural-vanilla-result.json")


def small_examples(folder: Path, model: str) -> None:
    """A copy of examples/ in the folder, with this model in place of every other."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    for file in (folder / "examples").glob("*/run.yaml"):
        text = file.read_text(encoding="utf-8")
        for name in MODELS:
            text = text.replace(name, model)
        for pattern, less in SMALLER.items():
            text = re.sub(pattern, less, text)
        file.write_text(text, encoding="utf-8")
    for name, count in PROMPTS.items():
        for file in (folder / "examples").rglob(f"{name}.jsonl"):
            file.write_text("".join(file.read_text(encoding="utf-8").splitlines(True)[:count]), encoding="utf-8")


def public_data(data: Path, folder: Path) -> None:
    """The files that pages name, from `shared/data`: of XSTest every 15th prompt, LLMBar's as they are."""
    for name in XSTEST:
        with (data / "xstest" / name).open(newline="", encoding="utf-8") as stream:
            header, *rows = csv.reader(stream)
        with (folder / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *rows[::15]])
    for name in LLMBAR:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / "llmbar" / name, folder / name)
