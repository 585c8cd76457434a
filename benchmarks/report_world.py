"""A run that is done but for its report, of as many pairs as asked for and without a model.

Pairs, votes, labels, the judge's card and the comparisons of held-out answers are made by the real stages and records,
with the judge `rules`. Only the answers and the lines of metrics.jsonl are invented, the latter in the trainer's form.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from benchmarks.labelling import CHECKS, WORDS, some_pairs, write_run
from constitution.files import write_atomically, write_json, write_records
from generate.pairs import PairCounts
from generate.records import Prompt, Response
from generate.sampling import SampleSet
from pipeline.context import Run
from pipeline.opened import opened_run
from pipeline.run import run_pipeline
from pipeline.stage import run_stage
from pipeline.stage_behaviour import compare, table_of
from pipeline.stage_report import REPORT

RUN_FILE, RUN_FOLDER = "run.yaml", "runs/bench"
PAIRS_A_STEP, EPOCHS, HELDOUT_EVERY = 8, 3, 50


def make_run(folder: Path, pairs: int, heldout: int = 40, principles: int = 5) -> Path:
    """Write the run below `folder` and do every stage's part but the report's; returns the run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, pairs, CHECKS[:principles])
    lines = [json.dumps({"id": f"h{i}", "prompt": f"Held-out question {i}: what is it?"}) for i in range(heldout)]
    (folder / "heldout.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    prompts = len({pair.prompt.key for pair in some_pairs(pairs)})
    counts = PairCounts(
        prompts=prompts,
        responses=2 * pairs,
        duplicates=0,
        empty=0,
        finished=2 * pairs,
        prompts_without_pair=0,
        pairs=pairs,
    )
    write_json(folder / RUN_FOLDER / "20-counts.json", counts.model_dump())
    _do(folder, "judge", "audit", "label")
    with opened_run(folder / RUN_FILE, {}, [], folder / "runs") as run:
        _train(run)
        _behave(run)
    return folder / RUN_FOLDER


def report_again(folder: Path) -> None:
    """Stage `report`, in this process."""
    with opened_run(folder / RUN_FILE, {}, [], folder / "runs") as run:
        run_stage(REPORT, run)


def _do(folder: Path, *stages: str) -> None:
    for stage in stages:
        run_pipeline([stage], folder / RUN_FILE, {}, [], folder / "runs")


def _train(run: Run) -> None:
    """What the trainer leaves, as far as a report reads it."""
    labelled = sum(label.p is not None for label in run.labels())
    steps = max(2, EPOCHS * labelled // PAIRS_A_STEP)
    lines = (json.dumps(row) + "\n" for row in metrics([p.id for p in run.constitution.principles], steps))
    run.folder.metrics.write_text("".join(lines), encoding="utf-8")
    write_json(run.folder.training, {"inputs": run.constitution.key, "steps": steps, "warnings": []})
    run.folder.policy.mkdir()
    (run.folder.policy / "model.safetensors").touch()


def metrics(principles: Sequence[str], steps: int) -> Iterator[dict[str, JsonValue]]:
    """Lines as train/loop.py writes them: held-out figures now and then, and after the last step."""
    rng = random.Random(0)  # noqa: S311 - invented figures
    for step in range(1, steps + 1):
        done = step / steps
        row: dict[str, JsonValue] = {
            "step": step,
            "learning_rate": 1e-3 * (1 - done),
            "n": PAIRS_A_STEP,
            "loss": math.log(2) - 0.12 * done + rng.gauss(0, 0.02),
            "accuracy": min(1.0, 0.5 + 0.3 * done + rng.gauss(0, 0.05)),
            "batch_principles": _by_principle(rng, principles, PAIRS_A_STEP, done),
        }
        if step % HELDOUT_EVERY == 0 or step == steps:
            row |= {"heldout_loss": math.log(2) - 0.08 * done, "heldout_accuracy": 0.5 + 0.2 * done}
            row["principles"] = _by_principle(rng, principles, 40, done)
        yield row


def _by_principle(rng: random.Random, principles: Sequence[str], n: int, done: float) -> dict[str, JsonValue]:
    return {
        principle: {
            "n": n,
            "margin": (0.3 * k - 0.2) * done + rng.gauss(0, 0.5 / n),
            "decided": n,
            "accuracy": min(1.0, 0.5 + 0.1 * k * done),
            "pull": 0.01 * (k - 1) + rng.gauss(0, 0.005),
        }
        for k, principle in enumerate(principles)
    }


def _behave(run: Run) -> None:
    """Answers of two lengths, compared by the run's judge as stage `behaviour` does it."""
    rng = random.Random(1)  # noqa: S311 - invented answers
    before, after = (
        [_answers(rng, prompt, run.config.behaviour.samples, words) for prompt in run.heldout_prompts]
        for words in (14, 9)
    )
    comparisons = compare(run, before, after)
    write_records(run.folder.comparisons, comparisons)
    table = table_of(run, comparisons)
    write_atomically(run.folder.behaviour, table.model_dump_json(indent=2) + "\n")


def _answers(rng: random.Random, prompt: Prompt, count: int, words: int) -> SampleSet:
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(2, words))) for _ in range(count)]
    responses = [
        Response(
            prompt_key=prompt.key, text=text, finish="stop", tokens=2 * words, sampler="bench", seed=0, index=index
        )
        for index, text in enumerate(texts)
    ]
    return SampleSet(prompt_key=prompt.key, responses=tuple(responses))
