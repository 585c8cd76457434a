"""SIGKILL in every stage of a small real run, then the same command again: is anything lost, torn, or done twice?

A case is a folder in which a stage is still to do. It is copied; the command is killed in the copy at a point that the
seed chooses (every fourth seed: and killed again as it goes on), and then called again until it ends. What is there
then is compared with what the command leaves in a copy that nobody disturbs.
"""

from __future__ import annotations

import itertools
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
from pipeline.folder import REPORT_DATA
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
    "report": ("90-report.html", *REPORT_DATA),
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
SECONDS = 300


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
    """What one case led to. `mismatches`: names of artefacts; `again`: the most votes asked before and after a kill."""

    kills: tuple[Kill, ...]
    votes_lost: int
    votes_duplicated: int
    again: int
    records_lost: int
    mismatches: list[str]
    failure: str


class Process(NamedTuple):
    """One process of a case: the stores that it found, by file name, and how often it asked each vote."""

    found: dict[str, dict[str, str]]
    asked: Counter[str]


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
    # Second by second, so that the time for which this process itself was stopped does not count.
    for _ in range(SECONDS):
        process.join(timeout=1)
        if process.exitcode is not None:
            break
    if process.exitcode is None:
        process.kill()
        process.join()
        return Ended(1, "it did not end")
    return Ended(process.exitcode, (folder / SAID).read_text(encoding="utf-8", errors="replace"))


def undisturbed(stage: str, finished: Path, folder: Path) -> Undisturbed:
    """Take the stage's artefacts away, keep that as the start of every kill, and do the stage in peace, twice."""
    start, calm, twin = folder / "start", folder / "calm", folder / "calm-again"
    shutil.copytree(finished, start)
    for name in (*LEFT[stage], f".stamps/{stage}.json"):
        path = start / RUN / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in (ASKED, PASSED, SAID):
        (start / name).unlink(missing_ok=True)
    passed = _in_peace(stage, start, calm)
    again = _in_peace(stage, start, twin)
    found = artefacts(calm / RUN)
    assert differences(found, artefacts(twin / RUN)) == [], "two undisturbed calls differ: nothing can be compared"
    # The first call may be slower, and a moment after the end kills nothing.
    passed["moment"] = min(passed["moment"], again["moment"])
    return Undisturbed(start, found, passed, len(_asked(calm)))


def _in_peace(stage: str, start: Path, folder: Path) -> dict[str, int]:
    """The points passed."""
    shutil.copytree(start, folder)
    ended = call(folder, COMMANDS[stage], None)
    assert ended.code == 0, ended.said
    counts = dict(line.split("\t") for line in (folder / PASSED).read_text().splitlines())
    return {kind: int(count) for kind, count in counts.items()}


def choose_kill(seed: int, calm: Undisturbed) -> Kill:
    """Every second seed a moment by the clock; the others a point of some kind that this stage passes."""
    draw = random.Random(seed)  # noqa: S311
    kinds = [kind for kind in POINTS if calm.passed.get(kind)]
    if seed % 2 or not kinds:
        return Kill("moment", draw.randint(1, calm.passed["moment"]))
    kind = kinds[seed // 2 % len(kinds)]
    return Kill(kind, draw.randint(1, calm.passed[kind]))


def choose_kills(seed: int, calm: Undisturbed) -> list[Kill]:
    """One kill; for every fourth seed another, by the clock, of the call that goes on after it."""
    first = choose_kill(seed, calm)
    return [first, choose_kill(1000 + seed, calm)] if seed % 4 == 3 else [first]


def survive(stage: str, calm: Undisturbed, kills: Sequence[Kill], folder: Path) -> Survived | None:
    """The kills, and the same command until it ends. None if the command was done before it could be killed."""
    shutil.copytree(calm.start, folder)
    processes, done = list[Process](), list[Kill]()
    for kill in (*kills, None):
        found = _stores(folder)
        ended = call(folder, COMMANDS[stage], kill)
        processes.append(Process(found, Counter(_asked(folder))))
        (folder / ASKED).unlink(missing_ok=True)
        if ended.code == 0:
            return _account(tuple(done), calm, folder, processes) if done else None
        if kill is None or ended.code != -signal.SIGKILL:
            return Survived(tuple(done), 0, 0, 0, 0, [], f"after {len(done)} kills: {ended.said[-500:]}")
        done.append(kill)
    raise AssertionError("the last call is not killed")


def _account(kills: tuple[Kill, ...], calm: Undisturbed, folder: Path, processes: Sequence[Process]) -> Survived:
    final = _stores(folder)
    lost, duplicated, again = Counter[str](), 0, 0
    for earlier, later in itertools.pairwise(processes):
        for name, records in later.found.items():
            lost[name] += sum(final.get(name, {}).get(key) != body for key, body in records.items())
        duplicated += sum(key in later.found.get(VOTES.name, {}) for key in later.asked)
        again = max(again, len(earlier.asked & later.asked))
    duplicated += sum(count - 1 for process in processes for count in process.asked.values())
    wanted = calm.found.get(VOTES.name, {})
    assert isinstance(wanted, dict)
    votes = final.get(VOTES.name, {})
    lost[VOTES.name] += len(wanted.keys() - votes.keys())
    duplicated += len(votes.keys() - wanted.keys())
    mismatches = differences(calm.found, artefacts(folder / RUN))
    others = lost.total() - lost[VOTES.name]
    return Survived(kills, lost[VOTES.name], duplicated, again, others, mismatches, "")


def _stores(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of every store in the run folder, by the store's file name."""
    return {path.name: rows(path) for path in (folder / RUN).glob("*.sqlite")}


def _asked(folder: Path) -> list[str]:
    notes = folder / ASKED
    return notes.read_text().split() if notes.exists() else []


def survive_many(stage: str, finished: Path, folder: Path, kills: int) -> list[Survived]:
    """Seeds counted from 0 until so many led to a real kill; one whose command was done too early is left out.

    Raises AssertionError if that takes more than four times as many seeds.
    """
    calm = undisturbed(stage, finished, folder)
    found: list[Survived] = []
    for seed in itertools.count():
        assert seed < 4 * kills, f"{stage}: only {len(found)} of {seed} seeds killed anything"
        case = folder / f"kill-{seed}"
        survived = survive(stage, calm, choose_kills(seed, calm), case)
        if survived is not None:
            found.append(survived)
        if survived is None or not (survived.failure or survived.mismatches):
            shutil.rmtree(case)
        if len(found) == kills:
            return found
    raise AssertionError("there is always another seed")
