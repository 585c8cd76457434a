"""Our trainer against TRL's DPOTrainer, with its defaults and tuned: speed, memory, and is the gradient the same?

    make bench-train      or      .venv/bin/python -m benchmarks.training [--pairs N] [--repetitions N]

SmolLM2-135M-Instruct in float32, the same LoRA (r = 16, all linear layers), pairs, batch size, optimizer, schedule and
number of steps for every side; each repetition runs every side in turn in a fresh process. The time of a side is that
of its reference pass and of all steps of 3 epochs, without start-up. Prints every repetition, then medians with their
range, and as its last line one JSON object. Medians are of the ratios within a repetition.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.training_data import workload
from benchmarks.training_equality import Equality, compare
from benchmarks.training_flops import matrix_flops, training_flops
from benchmarks.training_plan import SIDES, Plan, Side, Timing
from generate.models import resolve_model

Repetition = dict[Side, Timing]


def in_a_process(task: str, side: Side, plan: Plan, work: Path) -> None:
    """Run training_side.py on the plan, in the new folder `work`."""
    work.mkdir(parents=True)
    (work / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.training_side", task, side, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} failed:\n{done.stderr[-4000:]}")


def equality(plan: Plan, folder: Path) -> Equality:
    """Of one batch: the plan's first `pairs_per_step` pairs."""
    batch = plan.model_copy(update={"pairs": plan.pairs[: plan.pairs_per_step]})
    for side in ("ours", "trl_default"):
        in_a_process("gradient", side, batch, folder / side)
    return compare(folder / "ours", folder / "trl_default")


def repetition(plan: Plan, folder: Path) -> Repetition:
    """Every side once."""
    found: Repetition = {}
    for side in SIDES:
        in_a_process("time", side, plan, folder / side)
        found[side] = Timing.model_validate_json((folder / side / "timing.json").read_text(encoding="utf-8"))
    return found


def ratios(done: Sequence[Repetition], side: Side) -> list[float]:
    """How many times as fast as `side` we were, by repetition."""
    return [timings[side].seconds / timings["ours"].seconds for timings in done]


def shares(done: Sequence[Repetition], flops: float, peaks: Sequence[float]) -> list[float]:
    """The part of the matrix throughput that we reached, by repetition."""
    return [flops / timings["ours"].seconds / peak for timings, peak in zip(done, peaks, strict=True)]


def memory(done: Sequence[Repetition]) -> list[float]:
    """Our peak memory over that of TRL's defaults, by repetition."""
    return [timings["ours"].peak_mb / timings["trl_default"].peak_mb for timings in done]


def summary(done: Sequence[Repetition], same: Equality, flops: float, peaks: Sequence[float]) -> dict[str, float]:
    """The last line's object."""
    return {
        "vs_trl_default": round(statistics.median(ratios(done, "trl_default")), 3),
        "vs_trl_tuned": round(statistics.median(ratios(done, "trl_tuned")), 3),
        "gradient_cosine": same.gradient_cosine,
        "loss_difference": same.loss_difference,
        "flop_share": round(statistics.median(shares(done, flops, peaks)), 3),
        "memory_ratio": round(statistics.median(memory(done)), 3),
    }


def spread(name: str, values: Sequence[float]) -> str:
    """Median, range and number as a line."""
    return f"{name}: {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f}, n = {len(values)})"


def line(side: Side, timing: Timing, plan: Plan) -> str:
    """One side's figures in words."""
    pairs = plan.epochs * len(plan.pairs) / timing.seconds
    reference = f", {timing.reference_seconds:.1f} s of them the reference" if timing.reference_seconds else ""
    return f"  {side:12} {pairs:.3f} pairs/s ({timing.seconds:.1f} s{reference}), peak {timing.peak_mb:.0f} MB"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="bundled:smollm2-135m-instruct")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    work = workload(given.pairs)
    plan = Plan(model=resolve_model(given.model), pairs=tuple(work.pairs), threads=given.threads)
    flops = training_flops(plan)
    print(f"{len(plan.pairs)} pairs ({work.source}), {plan.epochs} epochs, {plan.pairs_per_step} pairs a step")
    print("memory: peak resident, less what the process had before it loaded the model", flush=True)
    done: list[Repetition] = []
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        same = equality(plan, Path(folder) / "equality")
        print(f"gradient cosine {same.gradient_cosine:.9f}, loss difference {same.loss_difference:.1e}", flush=True)
        for index in range(given.repetitions):
            peaks.append(matrix_flops(plan.threads))
            done.append(repetition(plan, Path(folder) / str(index)))
            print(f"repetition {index + 1}, matrix products at {peaks[-1] / 1e9:.0f} GFLOP/s")
            print("\n".join(line(side, timing, plan) for side, timing in done[-1].items()), flush=True)
    print(spread("times as fast as TRL's defaults", ratios(done, "trl_default")))
    print(spread("times as fast as tuned TRL", ratios(done, "trl_tuned")))
    print(spread("share of the matrix throughput", shares(done, flops, peaks)))
    print(spread("peak memory over that of TRL's defaults", memory(done)))
    print(json.dumps(summary(done, same, flops, peaks)))


if __name__ == "__main__":
    main()
