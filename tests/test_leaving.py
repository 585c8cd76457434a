"""How one of torchrun's processes ends: at once, with its code, and with all that it said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.runs import environment

PROCESS = """
import atexit, sys
from pipeline.workers import leaving
atexit.register(print, "cleared up")
with leaving():
    print("said")
    {end}
"""


@pytest.mark.parametrize(
    ("processes", "end", "code", "said"),
    [
        ("2", "sys.exit(0)", 0, "said\n"),
        ("2", "sys.exit()", 0, "said\n"),
        ("2", "sys.exit(130)", 130, "said\n"),
        ("2", "raise ValueError", 1, "said\ncleared up\n"),
        ("1", "sys.exit(3)", 3, "said\ncleared up\n"),
    ],
)
def test_only_one_of_several_leaves_without_clearing_up(processes: str, end: str, code: int, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS.format(end=end)],
        env=environment() | {"WORLD_SIZE": processes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, said), ended.stderr
