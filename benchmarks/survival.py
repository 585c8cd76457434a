"""Does it survive? Kills in every stage, hostile inputs, and memory against the number of pairs.

    python -m benchmarks.survival [--kills 20] [--pairs 1000000]        make survival

1. A small real run (tests/runs.py: a model of two layers, three principles, an LLM judge that reads probabilities).
   Each of five stages is killed by SIGKILL, `--kills` times, at points chosen by seeds, and called again until it ends
   (survival_kills.py), every fourth time killed again as it goes on. What it leaves must be what an undisturbed call
   leaves, byte for byte but for times.
2. Every input of benchmarks/hostile must be refused in one message, or come out harmless.
3. `preceptor import`, `generate` (which takes what was imported), `judge` and `label` with the judge `rules` on 1,000
   and on `--pairs` pairs under two principles: peak memory of the process.

The last line is one JSON object. The exit code is 1 if anything that should be 0 is not, a kill had more asked again
than the batch in flight, or memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")

from benchmarks.hostile.table import all_cases, try_all
from benchmarks.labelling import imported_memory, memory
from benchmarks.survival_kills import COMMANDS, Survived, survive_many, whole_run

FEW_PAIRS = 1_000
MOST_RATIO = 1.3
MEASURED = ("import", "generate", "judge", "label")
"""Commands whose peak memory is compared; `generate` is that of imported pairs, which samples nothing."""
BATCH_IN_FLIGHT = 3 * 2
"""Votes: a pair under three principles, in two orders (tests/runs.py)."""
ZEROS = (
    "votes_lost",
    "votes_duplicated",
    "records_lost",
    "artefact_mismatches",
    "hostile_accepted",
    "uncaught_exceptions",
)


class Killed(NamedTuple):
    """All kills together."""

    kills: int
    votes_lost: int
    votes_duplicated: int
    votes_asked_again: int
    records_lost: int
    artefact_mismatches: int
    uncaught_exceptions: int


def kill_all(folder: Path, kills: int) -> Killed:
    """Every stage killed so often."""
    from generate.models import resolve_model
    from tests.tiny import smollm_of_two_layers

    model = smollm_of_two_layers(resolve_model("bundled:smollm2-135m-instruct"), folder / "model")
    finished = whole_run(folder / "finished", model.path)
    found: list[Survived] = []
    for stage in COMMANDS:
        started = time.perf_counter()
        (folder / stage).mkdir()
        ones = survive_many(stage, finished, folder / stage, kills)
        found += ones
        _say_stage(stage, ones, time.perf_counter() - started)
    return Killed(
        kills=sum(len(one.kills) for one in found),
        votes_lost=sum(one.votes_lost for one in found),
        votes_duplicated=sum(one.votes_duplicated for one in found),
        votes_asked_again=max((one.again for one in found), default=0),
        records_lost=sum(one.records_lost for one in found),
        artefact_mismatches=sum(len(one.mismatches) for one in found),
        uncaught_exceptions=sum(bool(one.failure) for one in found),
    )


def _say_stage(stage: str, ones: list[Survived], seconds: float) -> None:
    kinds = Counter(kill.kind for one in ones for kill in one.kills)
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    print(f"{stage}: {kinds.total()} kills in {seconds:.0f} s ({said})", flush=True)
    for votes, count in sorted(Counter(one.again for one in ones if one.again).items()):
        print(f"  {votes} votes asked again: in {count} of {len(ones)} cases", flush=True)
    for one in ones:
        if one.failure or one.mismatches or one.votes_lost or one.votes_duplicated or one.records_lost:
            print(f"  NOT SURVIVED: {one}", flush=True)


class Withstood(NamedTuple):
    """All hostile inputs together."""

    hostile_inputs: int
    hostile_accepted: int
    uncaught_exceptions: int


def withstand() -> Withstood:
    """Try them all, and say what was not withstood."""
    result = try_all(all_cases())
    for kind, count in result.by_kind.items():
        print(f"{kind}: {count} hostile inputs")
    for case, outcome in result.faults:
        print(f"  NOT WITHSTOOD: {case.kind}, {case.name}: {outcome.verdict}: {outcome.said[:300]}", flush=True)
    return Withstood(result.by_kind.total(), result.count("accepted"), result.count("uncaught"))


def memory_ratio(pairs: int) -> float:
    """Peak memory of the hungriest command at `pairs` pairs, over that at FEW_PAIRS."""
    few, many = (memory(count) | imported_memory(count) for count in (FEW_PAIRS, pairs))
    return round(max(many[command] / few[command] for command in MEASURED), 3)


def main(arguments: list[str]) -> int:
    """All three; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survival")
    parser.add_argument("--kills", type=int, default=20, help="kills a stage")
    parser.add_argument("--pairs", type=int, default=1_000_000, help="pairs whose memory is compared with 1,000")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="survival-") as folder:
        killed = kill_all(Path(folder), chosen.kills)
    withstood, ratio = withstand(), memory_ratio(chosen.pairs)
    uncaught = killed.uncaught_exceptions + withstood.uncaught_exceptions
    figures = {**killed._asdict(), **withstood._asdict(), "uncaught_exceptions": uncaught}
    print(json.dumps(figures | {"flat_memory_pairs": chosen.pairs, "flat_memory_ratio": ratio}))
    too_many = killed.votes_asked_again > BATCH_IN_FLIGHT
    return int(any(figures[name] for name in ZEROS) or too_many or ratio > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
