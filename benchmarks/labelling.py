"""Re-labelling under another weight, and memory against the number of pairs, through the command line.

    .venv/bin/python benchmarks/labelling.py [--small]

100,000 votes of the `rules` judge (12,500 pairs of 3,125 prompts, 8 principles) are re-labelled by `preceptor label`
after a weight in the constitution was changed, REPETITIONS times; the labels are compared, byte for byte, with those
made from the votes. Then `preceptor judge` and `preceptor label` run on 1,000 and on 100,000 pairs of two principles,
and their peak memory is read. `--small` does it with a hundredth of the pairs. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.files import write_records
from generate.records import Pair, Prompt, Response

REPETITIONS = 5
PAIRS_A_PROMPT = 4
WORDS = ("Sure, here", "- one point", "I think that", "It is so.", "you may", "the the the", "1. First", "Perhaps not.")
CHECKS = (
    "{type: words, max: 30}",
    "{type: lists}",
    '{type: pattern, pattern: "^sure", opening: 20}',
    "{type: repetition, n: 2}",
    "{type: overlap}",
    "{type: sentences, max_words: 12}",
    '{type: pattern, pattern: "[aeiou]", scale: 40}',
    "{type: repetition, n: 3}",
)
RUN = """name: bench
constitution: constitution.yaml
prompts: {train: train.jsonl, heldout: heldout.jsonl}
model: bundled:smollm2-135m-instruct
"""


class Finished(NamedTuple):
    """One command: wall-clock and processor seconds of the process, and its peak memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def some_pairs(count: int) -> Iterator[Pair]:
    """Pairs of answers of 10 to 80 words, PAIRS_A_PROMPT neighbours a prompt."""
    for i in range(count):
        number = i // PAIRS_A_PROMPT
        prompt = Prompt(id=f"p{number}", prompt=f"What should one know about subject {number}, and about its history?")
        yield Pair(prompt=prompt, a=_answer(prompt, 2 * i), b=_answer(prompt, 2 * i + 1))


def _answer(prompt: Prompt, number: int) -> Response:
    text = " ".join(WORDS[(number * 7 + j * (1 + number % 5)) % len(WORDS)] for j in range(5 + number % 23))
    return Response(
        prompt_key=prompt.key, text=f"{text} {number}.", finish="stop", tokens=40, sampler="bench", seed=0, index=0
    )


def write_run(folder: Path, pairs: int, checks: Sequence[str] = CHECKS) -> None:
    """A run whose stage `generate` is done, as far as judging and labelling can tell."""
    principles = [f"  - {{id: p{i}, text: Principle {i}., weight: {i + 1}, check: {c}}}" for i, c in enumerate(checks)]
    (folder / "constitution.yaml").write_text("name: bench\nprinciples:\n" + "\n".join(principles) + "\n")
    (folder / "run.yaml").write_text(RUN)
    for name in ("train", "heldout"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"id": "1", "prompt": f"A question for {name}?"}) + "\n")
    run = folder / "runs" / "bench"
    run.mkdir(parents=True)
    write_records(run / "20-pairs.jsonl", some_pairs(pairs))
    for other in ("10-prompts.jsonl", "20-samples.sqlite", "20-counts.json"):
        (run / other).touch()


def preceptor(command: str, folder: Path, *words: str) -> Finished:
    """Run it, on run.yaml without `words`, in a process of its own. Raises CalledProcessError with its output shown."""
    arguments = [sys.executable, "-m", "pipeline.cli", command, *(words or ("run.yaml",))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    with tempfile.TemporaryDirectory() as own:
        figures = Path(own, "figures.json")
        measured = [sys.executable, "-m", "benchmarks.measured", str(figures), *arguments]
        subprocess.run(measured, cwd=folder, env=environment, check=True)
        return Finished(*json.loads(figures.read_text()))


def reweigh(folder: Path, weight: int) -> None:
    """Change the first principle's weight, and nothing else."""
    path = folder / "constitution.yaml"
    head, _, rest = path.read_text().partition("weight: ")
    path.write_text(f"{head}weight: {weight}{rest[rest.index(',') :]}")


def relabelling(pairs: int) -> dict[str, object]:
    """Seconds of stage `label`, and of the whole command, under a changed weight."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, pairs)
        preceptor("judge", folder)
        first = preceptor("label", folder)
        stamp, labels = (folder / "runs/bench" / path for path in (".stamps/label.json", "40-labels.jsonl"))
        stages, commands = list[float](), list[Finished]()
        for repetition in range(REPETITIONS):
            reweigh(folder, 10 + repetition)
            commands.append(preceptor("label", folder))
            stages.append(json.loads(stamp.read_text())["seconds"])
        again = labels.read_bytes()
        labels.unlink()
        preceptor("label", folder)
        assert labels.read_bytes() == again, "re-labelled and labelled differ"
    print(f"{pairs * len(CHECKS)} votes labelled from the store: command {first.seconds:.2f} s")
    wall, cpu = [round(c.seconds, 2) for c in commands], [round(c.cpu_seconds, 2) for c in commands]
    print(f"re-labelled under another weight: stage {stages} s, command {wall} s, of these processor {cpu} s")
    return {
        "votes": pairs * len(CHECKS),
        "relabel_stage_s": statistics.median(stages),
        "relabel_command_s": statistics.median(wall),
        "relabel_command_cpu_s": statistics.median(cpu),
    }


def memory(pairs: int) -> dict[str, float]:
    """Peak memory of judging, labelling and re-labelling so many pairs, under two principles."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, pairs, CHECKS[:2])
        found = {command: preceptor(command, folder) for command in ("judge", "label")}
        reweigh(folder, 9)
        found["relabel"] = preceptor("label", folder)
    _say(pairs, found)
    return _peaks(found)


def imported_memory(pairs: int) -> dict[str, float]:
    """Peak memory of importing so many preferences, and of the stage `generate` that takes the import as its pairs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, 1, CHECKS[:2])
        shutil.rmtree(folder / "runs")
        (folder / "run.yaml").write_text(RUN.replace("{train: train.jsonl, heldout", "{heldout") + "pairs: gold\n")
        with (folder / "rows.jsonl").open("w", encoding="utf-8") as stream:
            for pair in some_pairs(pairs):
                row = {"prompt": pair.prompt.prompt, "chosen": pair.a.text, "rejected": pair.b.text}
                stream.write(json.dumps(row) + "\n")
        found = {
            "import": preceptor("import", folder, "trl", "rows.jsonl", "--out", "gold"),
            "generate": preceptor("generate", folder),
        }
    _say(pairs, found)
    return _peaks(found)


def _say(pairs: int, found: Mapping[str, Finished]) -> None:
    for command, finished in found.items():
        print(f"{pairs} pairs, {command}: {finished.peak_mib:.0f} MiB, {finished.seconds:.1f} s", flush=True)


def _peaks(found: Mapping[str, Finished]) -> dict[str, float]:
    return {command: round(finished.peak_mib) for command, finished in found.items()}


def main() -> None:
    """Run and print."""
    scale = 100 if "--small" in sys.argv[1:] else 1
    figures = relabelling(12_500 // scale)
    sizes = (1_000 // scale, 100_000 // scale)
    print(json.dumps(figures | {"peak_mib": {str(size): memory(size) for size in sizes}}))


if __name__ == "__main__":
    main()
