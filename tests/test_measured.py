"""Peak memory is the command's own, however large the process is that asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.labelling import preceptor
from benchmarks.measured import main

HOLDS = "x = bytearray({mib} * 2**20)"
MINE = 300
"""MiB that this process holds meanwhile."""


def peak(folder: Path, mib: int) -> float:
    command = [sys.executable, "-c", HOLDS.format(mib=mib)]
    subprocess.run([sys.executable, "-m", "benchmarks.measured", str(folder / "f.json"), *command], check=True)
    return float(json.loads((folder / "f.json").read_text())[2])


def test_it_is_the_commands_own(tmp_path: Path) -> None:
    mine = bytearray(MINE * 2**20)
    small, large = peak(tmp_path, 1), peak(tmp_path, 201)
    assert small < MINE / 2
    assert 190 < large - small < 210
    assert len(mine) == MINE * 2**20


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    assert main(str(tmp_path / "f.json"), sys.executable, "-c", "raise SystemExit(7)") == 7
    with pytest.raises(subprocess.CalledProcessError):
        preceptor("label", tmp_path)
