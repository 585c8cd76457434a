"""Labels a second of the judge on vLLM, against the usual ways and against the engine alone. `make bench-judge`

    python -m benchmarks.judging [--pairs 8] [--rival-pairs 3] [--repetitions 3]

SmolLM2-135M-Instruct, eight principles of 40 tokens, conversation and responses of 350, both orders; all sides of
benchmarks/judging_sides.py on one engine, in float32 on a CPU, its prefix cache on and emptied before each side. Every
repetition has pairs of its own; every other one takes the sides in the opposite order. Prints a line a repetition, the
median and the range of each ratio, and how far the labels agree; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.judging_sides import SIDES, Timed
from benchmarks.material import pairs, principles
from constitution.model import Constitution
from generate.engine_vllm import VllmRunner
from generate.models import resolve_model
from generate.settings import VllmEngine
from judge.resampling import share_score

MODEL = "bundled:smollm2-135m-instruct"
ENGINE = VllmEngine(type="vllm", max_model_len=1024, kv_cache_gib=3)
SAME_WITHIN = 1e-3
"""Logits of the same prompts in other batches; float32 adds up in another order there."""
RATIOS = {"vs_principle_first": "principle_first", "vs_json_rationale": "json_rationale", "engine_share": "bare"}


class Repetition(NamedTuple):
    """Each side's result on the same pairs; the rivals' on the first of them."""

    sides: dict[str, Timed]

    def ratio(self, side: str) -> float:
        """Our labels a second by the side's."""
        return self.sides["ours"].rate / self.sides[side].rate


def warm_up(engine: VllmRunner, constitution: Constitution) -> None:
    """Every side once, on pairs of no repetition: what is compiled at first use is compiled now."""
    for run in SIDES.values():
        run(engine, pairs(1, -1), constitution.model_copy(update={"principles": constitution.principles[:1]}))


def measure(
    engine: VllmRunner, constitution: Constitution, repetitions: int, count: int, rival_count: int
) -> list[Repetition]:
    """Run it. Raises ValueError if our labels are not those of the bare engine."""
    found = []
    for number in range(repetitions):
        material = pairs(count, number)
        # There and back: ours and the bare engine, which must agree to a hundredth, stay neighbours.
        order = list(SIDES)[:: -1 if number % 2 else 1]
        results = {
            side: SIDES[side](engine, material if side in ("ours", "bare") else material[:rival_count], constitution)
            for side in order
        }
        found.append(Repetition(results))
        rates = ", ".join(f"{side} {results[side].rate:.2f}" for side in SIDES)
        print(f"repetition {number + 1}: labels/s: {rates}", flush=True)
        check_same(results["ours"].logits, results["bare"].logits)
    return found


def check_same(ours: Sequence[float | None], bare: Sequence[float | None]) -> None:
    """Raise ValueError unless every label is that of the same prompt put to the engine alone."""
    for place, (mine, theirs) in enumerate(zip(ours, bare, strict=True)):
        if mine is None or theirs is None or not math.isclose(mine, theirs, rel_tol=0, abs_tol=SAME_WITHIN):
            raise ValueError(f"label {place}: {mine} by the judge, {theirs} by the engine alone, from the same prompt")


def report(found: Sequence[Repetition], constitution: Constitution) -> None:
    """Print ratios with their spread, agreement, and the last line."""
    medians = {}
    for name, side in RATIOS.items():
        ratios = [repetition.ratio(side) for repetition in found]
        medians[name] = round(statistics.median(ratios), 4)
        print(f"{name}: median {medians[name]:.3f}, from {min(ratios):.3f} to {max(ratios):.3f}, n = {len(ratios)}")
    tokens = statistics.mean(repetition.sides["json_rationale"].tokens_out for repetition in found)
    print(f"json_rationale wrote {tokens:.0f} tokens an answer")
    for side in SIDES:
        if side != "ours":
            print(agreement(found, side, len(constitution.principles)))
    print(json.dumps(medians))


def agreement(found: Sequence[Repetition], side: str, principle_count: int) -> str:
    """How often both sides prefer the same response over both orders, and the correlation of their logits."""
    hits, clusters = list[float](), list[int]()
    logits: dict[str, list[float]] = defaultdict(list)
    for number, repetition in enumerate(found):
        theirs = repetition.sides[side].logits
        mine = repetition.sides["ours"].logits[: len(theirs)]
        for x, y in zip(mine, theirs, strict=True):
            if x is not None and y is not None:
                logits["ours"].append(x)
                logits["theirs"].append(y)
        preferences = zip(_preferences(mine, principle_count), _preferences(theirs, principle_count), strict=True)
        for place, (x, y) in enumerate(preferences):
            if x and y:
                hits.append(float((x > 0) == (y > 0)))
                clusters.append(number * 10_000 + place // principle_count)
    share = share_score(np.array(hits), clusters)
    if share.value is None:
        return f"agreement with {side}: no preference to compare (the same letter in both orders, or no answer)"
    r = float(np.corrcoef(logits["ours"], logits["theirs"])[0, 1])
    return (
        f"agreement with {side}: the same preference in {share.value:.1%} [{share.low:.1%}, {share.high:.1%}] of "
        f"{share.n} (pair, principle) over {share.clusters} pairs; correlation of logits {r:.3f}, n = "
        f"{len(logits['ours'])}"
    )


def _preferences(logits: Sequence[float | None], principle_count: int) -> list[float | None]:
    """(l_ab - l_ba) / 2 a pair and principle."""
    made = list[float | None]()
    for start in range(0, len(logits), 2 * principle_count):
        middle = start + principle_count
        for ab, ba in zip(logits[start:middle], logits[middle : middle + principle_count], strict=True):
            made.append(None if ab is None or ba is None else (ab - ba) / 2)
    return made


def main() -> None:
    """Read the command line, open the engine, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=8, help="pairs a repetition for ours and the bare engine")
    parser.add_argument("--rival-pairs", type=int, default=3, help="how many of them the rivals label")
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    engine = VllmRunner("vllm", ENGINE, resolve_model(MODEL))
    try:
        constitution = principles()
        warm_up(engine, constitution)
        report(measure(engine, constitution, asked.repetitions, asked.pairs, asked.rival_pairs), constitution)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
