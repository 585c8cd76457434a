"""Mutated inputs, made with Hypothesis: whatever comes, a record or an error of ours, and no wrong record.

    python -m benchmarks.fuzz [--minutes 10] [--seed 0] [--target NAME]

So many minutes each. The last line is one JSON object: how many inputs were tried. An input that is not withstood is
made as small as Hypothesis can and written to fuzz-NAME.bin, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.fuzz_targets import Target, targets

PIECES = (b"\n", b"  ", b": ", b"- ", b"{", b"}", b"[", b"]", b",", b'"', b"&a ", b"*a ", b"!", b"\x00", b"1e999")
INPUTS_A_ROUND = 500
SLOW_SECONDS = 5.0
SETTINGS = settings(
    max_examples=INPUTS_A_ROUND,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Up to eight small changes: bytes overwritten, cut, doubled, or put in, also from another input."""
    found = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, len(found)))
        end = min(len(found), start + draw(st.sampled_from((1, 2, 4, 16, 64))))
        kind = draw(st.sampled_from(("cut", "put", "overwrite", "double", "text", "splice")))
        if kind == "cut":
            del found[start:end]
        elif kind == "put":
            found[start:start] = draw(st.sampled_from(PIECES))
        elif kind == "overwrite":
            found[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
        elif kind == "double":
            found[start:start] = found[start:end] * draw(st.integers(1, 3))
        elif kind == "text":
            found[start:start] = draw(st.text(max_size=8)).encode()
        else:
            other = draw(st.sampled_from(seeds))
            place = draw(st.integers(0, len(other)))
            found[start:start] = other[place : place + draw(st.integers(1, 40))]
    return bytes(found)


class Trial:
    """A target in a folder of its own until its time is over: how many inputs it withstood, and the last that it
    did not."""

    def __init__(self, target: Target, folder: Path, seconds: float) -> None:
        self._target = target
        self._folder = folder
        self._ends = time.monotonic() + seconds
        self.tried = 0
        self.failing: bytes | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is tried. A failing input is made smaller in any case."""
        return self.failing is None and time.monotonic() >= self._ends

    def __call__(self, data: bytes) -> None:
        """Raises whatever the target does not withstand."""
        if self.over:
            return
        started = time.monotonic()
        try:
            self._target.withstand(data, self._folder)
            assert time.monotonic() - started < SLOW_SECONDS, "too slow"
        except Exception:
            self.failing = data
            raise
        self.tried += 1

    def round(self, number: int) -> None:
        """So many inputs from this seed. Raises the error of the smallest that is not withstood."""
        inputs = mutated(sorted(self._target.seeds, key=len))  # the first is what Hypothesis shrinks to
        seed(number)(SETTINGS(given(inputs)(lambda data: self(data))))()


def fuzz(name: str, target: Target, seconds: float, first: int) -> int | None:
    """How many inputs were withstood, by rounds from seed `first` on; None, after saying why, if one was not."""
    with tempfile.TemporaryDirectory() as folder:
        trial, number = Trial(target, Path(folder), seconds), first
        while not trial.over:
            try:
                trial.round(number)
            except Exception as error:
                if trial.failing is None:
                    raise
                Path(f"fuzz-{name}.bin").write_bytes(trial.failing)
                why = f"{type(error).__name__}: {error}"
                print(f"{name}: NOT WITHSTOOD with seed {number} after {trial.tried}: {why}; see fuzz-{name}.bin")
                return None
            number += 1
    print(f"{name}: {trial.tried} inputs withstood in {seconds:.0f} s, seeds {first} to {number - 1}", flush=True)
    return trial.tried


def main(arguments: list[str]) -> int:
    """Every target in turn; the exit code."""
    there = targets()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each round takes the next")
    parser.add_argument("--target", choices=list(there), help="only this one")
    chosen = parser.parse_args(arguments)
    names = list(there) if chosen.target is None else [chosen.target]
    found = {name: fuzz(name, there[name], 60 * chosen.minutes, chosen.seed) for name in names}
    print(json.dumps({"minutes": chosen.minutes, "withstood": found}))
    return int(None in found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
