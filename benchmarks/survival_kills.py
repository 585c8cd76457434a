"""SIGKILL in every stage of a small real run, then the same command again: is anything lost, torn, or done twice?

A case is a folder in which a stage is still to do. It is copied; the command is killed in the copy at a point that the
seed chooses, and then called again until it ends. What is there then is compared with what the command leaves in a copy
that nobody disturbs.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.artefacts import artefacts, differences, rows
from benchmarks.survival_child import ASKED, PASSED, POINTS, SAID, Kill, run_command
from tests.runs import write_run

RUN = Path("runs/tiny")
VOTES = RUN / "30-votes.sqlite"
COMMANDS: Mapping[str, Sequence[str]] = {
    "generate": ("generate", "run.yaml"),
    "judge": ("judge", "run.yaml", "--judge", "reader"),
    "label": ("label", "run.yaml"),
    "train": ("train", "run.yaml"),
    "report": ("report", "run.yaml"),
}
LEFT: Mapping[str, Sequence[str]] = {
    "generate": ("10-prompts.jsonl", "20-samples.sqlite", "20-pairs.jsonl", "20-counts.json"),
    "judge": ("30-votes.sqlite", "30-votes.json"),
    "label": ("40-labels.jsonl", "40-preferences.parquet"),
    "train": ("50-policy", "50-references.sqlite", "50-training.json", "metrics.jsonl"),
    "report": ("90-report.html", "90-report.json", "behaviour.csv", "labels.csv", "training.csv", "agreement.csv"),
}
"""What each command makes: taken away before it is called."""
PRELOADED = [
    "pipeline.run",
    "torch",
    "peft",
    "train.loop",
    "transformers.models.llama",
    "reports.page",
    "pyarrow.parquet",
]
SECONDS = 120.0


class Ended(NamedTuple):
    """A command's exit code (negative: the signal), and what it said."""

    code: int
    said: str


class Undisturbed(NamedTuple):
    """A stage that nobody disturbed: where, what it left, the points that it passed, and the votes it asked."""

    start: Path
    found: dict[str, object]
    passed: dict[str, int]
    asked: int


class Survived(NamedTuple):
    """What one kill led to. `mismatches`: names of artefacts; `again`: votes asked before and after the kill."""

    kill: Kill
    votes_lost: int
    votes_duplicated: int
    again: int
    mismatches: list[str]
    failure: str


def whole_run(folder: Path, model: str) -> Path:
    """A finished run of the tiny model, which every case begins with."""
    write_run(folder, model)
    ended = call(folder, ("run", "run.yaml"), None)
    assert ended.code == 0, ended.said
    return folder


def call(folder: Path, arguments: Sequence[str], kill: Kill | None) -> Ended:
    """The command in a process of its own, forked from one that has imported what takes long."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=run_command, args=(folder, arguments, kill))
    process.start()
    process.join(timeout=SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        return Ended(1, "it did not end")
    return Ended(process.exitcode, (folder / SAID).read_text(encoding="utf-8", errors="replace"))


def undisturbed(stage: str, finished: Path, folder: Path) -> Undisturbed:
    """Take the stage's artefacts away, keep that as the start of every kill, and do the stage once in peace."""
    start, calm = folder / "start", folder / "calm"
    shutil.copytree(finished, start)
    for name in (*LEFT[stage], f".stamps/{stage}.json"):
        path = start / RUN / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in (ASKED, PASSED, SAID):
        (start / name).unlink(missing_ok=True)
    shutil.copytree(start, calm)
    ended = call(calm, COMMANDS[stage], None)
    assert ended.code == 0, ended.said
    counts = dict(line.split("\t") for line in (calm / PASSED).read_text().splitlines())
    passed = {kind: int(count) for kind, count in counts.items()}
    return Undisturbed(start, artefacts(calm / RUN), passed, len(_asked(calm)))


def choose_kill(seed: int, calm: Undisturbed) -> Kill:
    """Every second seed a moment by the clock; the others a point of some kind that this stage passes."""
    draw = random.Random(seed)  # noqa: S311
    kinds = [kind for kind in POINTS if calm.passed.get(kind)]
    if seed % 2 or not kinds:
        return Kill("moment", draw.randint(1, calm.passed["moment"]))
    kind = kinds[seed // 2 % len(kinds)]
    return Kill(kind, draw.randint(1, calm.passed[kind]))


def survive(stage: str, calm: Undisturbed, seed: int, folder: Path) -> Survived | None:
    """One kill, and the same command until it ends. None if the command was done before it could be killed."""
    kill = choose_kill(seed, calm)
    shutil.copytree(calm.start, folder)
    ended = call(folder, COMMANDS[stage], kill)
    if ended.code == 0:
        return None
    if ended.code != -signal.SIGKILL:
        return Survived(kill, 0, 0, 0, [], f"before the kill: {ended.said[-500:]}")
    committed, before = rows(folder / VOTES), Counter(_asked(folder))
    (folder / ASKED).unlink(missing_ok=True)
    again = call(folder, COMMANDS[stage], None)
    if again.code != 0:
        return Survived(kill, 0, 0, 0, [], f"the same command again: {again.said[-500:]}")
    return _account(kill, calm, folder, committed, before)


def _account(
    kill: Kill, calm: Undisturbed, folder: Path, committed: Mapping[str, str], before: Counter[str]
) -> Survived:
    after, final = Counter(_asked(folder)), rows(folder / VOTES)
    wanted = calm.found.get(VOTES.name, {})
    assert isinstance(wanted, dict)
    lost = [key for key, body in committed.items() if final.get(key) != body]
    lost += [key for key in wanted if key not in final]
    twice = [key for asked in (before, after) for key, count in asked.items() if count > 1]
    twice += [key for key in after if key in committed] + [key for key in final if key not in wanted]
    mismatches = differences(calm.found, artefacts(folder / RUN))
    return Survived(kill, len(lost), len(twice), len(before & after), mismatches, "")


def _asked(folder: Path) -> list[str]:
    notes = folder / ASKED
    return notes.read_text().split() if notes.exists() else []


def survive_many(stage: str, finished: Path, folder: Path, kills: int) -> list[Survived]:
    """So many real kills of one stage, seeds counted from 0; a seed whose command was done too early is left out."""
    calm = undisturbed(stage, finished, folder)
    found: list[Survived] = []
    for seed in range(4 * kills):
        case = folder / f"kill-{seed}"
        survived = survive(stage, calm, seed, case)
        if survived is not None:
            found.append(survived)
        if survived is None or not (survived.failure or survived.mismatches):
            shutil.rmtree(case)
        if len(found) == kills:
            break
    return found
