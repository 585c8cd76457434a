"""The measurement of throughput against the number of pairs: its arithmetic by hand, and the whole of it, small."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.flat import Slice, Spent, kept
from tests.conftest import REPOSITORY


def test_what_is_kept_by_hand() -> None:
    """Fifty slices at 2 ms a pair, the last five at 4, against small runs at 2."""
    slices = [Slice(Spent(0.002 if n < 45 else 0.004, 1.0), Spent(0.002, 1.0)) for n in range(50)]
    found = kept(slices, lambda one: one.cpu)
    assert found["all"] == pytest.approx(100 / 110, abs=1e-3)
    assert (found["last_tenth"], found["slices"], found["n"]) == (0.5, [0.5, 1.0], 50)
    assert kept(slices, lambda one: one.wall) == {"all": 1.0, "last_tenth": 1.0, "slices": [1.0, 1.0], "n": 50}


def test_both_stages_are_measured_to_their_end() -> None:
    command = [sys.executable, "-m", "benchmarks.flat", "--pairs", "100", "--against", "8"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["pairs"], found["against"], found["principles"]) == (100, 8, 2)
    for stage in ("judge", "label"):
        assert found[stage]["cpu"]["n"] == 50
        assert found[stage]["wall"]["last_tenth"] > 0
