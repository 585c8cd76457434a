"""`make bench-trace` in small: every figure is measured, on the tiny model, in one call and again on what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from generate.engine import ModelRef
from tests.runs import write_run
from tests.test_run import edit
from tests.test_whatif_command import FOURTH, HELD_OUT

ROOT = Path(__file__).resolve().parent.parent
FIGURES = {
    "lds_whatif",
    "lds_whatif_with_loo",
    "lds_inrun",
    "size_error_whatif",
    "seed_ceiling",
    "completeness_error",
    "cost_trace",
    "cost_loo",
    "recording_ratio",
    "sham_false_positive_rate",
    "whatif_ms",
    "whatif_ms_10k",
}


@pytest.mark.slow
def test_every_figure_is_measured(tiny_model: ModelRef, tmp_path: Path) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    with (tmp_path / "constitution.yaml").open("a", encoding="utf-8") as stream:
        stream.write(FOURTH)
    edit(run_file, "train:\n", HELD_OUT)
    options = ("--subsets", 8, "--answers", 3, "--repetitions", 1, "--simulations", 4, "--threads", 1)
    command = [sys.executable, "-m", "benchmarks.tracing", "--run", run_file, "--runs", tmp_path / "runs", *options]
    done = subprocess.run([str(one) for one in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == FIGURES
    assert found["completeness_error"] < 0.1
    assert -1 <= found["lds_whatif"] <= 1
    assert 0 < found["size_error_whatif"] < 2
    assert all(found[name] > 0 for name in ("cost_trace", "cost_loo", "recording_ratio", "whatif_ms"))
    assert found["cost_loo"] > found["cost_trace"] * 0.1
    assert "8 retrained label sets, 5 behaviours" in done.stdout
