"""Does a pair cost as much among a million pairs as among a thousand? Judged by `rules`, and labelled.

    python -m benchmarks.flat [--pairs 1000000] [--against 1000] [--principles 2]

The stages `judge` and `label` are done on `--pairs` pairs. At every fiftieth of the way they stop, and the same stage
is done on `--against` pairs in a run folder of its own, from nothing; so both see the same machine, whatever else that
does.

`kept` is the throughput, in pairs a second, of the large run over that of the small ones: of all of it, and of its
last tenth alone, which is what a pair costs once nearly all others are there. The interval holds 90 % of the slices,
each against the small runs made beside it. By processor time and by the clock; the start of a process is in neither.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.labelling import CHECKS, write_run
from constitution.chunks import batched
from constitution.files import RecordFile
from constitution.progress import Tick
from generate.records import Pair
from pipeline.console import Console
from pipeline.context import Run
from pipeline.folder import RunFolder
from pipeline.load import load_run
from pipeline.stage import Stage
from pipeline.stage_judge import JUDGE
from pipeline.stage_label import LABEL

SLICES = 50
READINGS = {"judge": 2, "label": 1}
"""How often a stage goes through the pairs: `judge` plans before it asks."""


class Spent(NamedTuple):
    """Seconds of processor and of clock, for one pair."""

    cpu: float
    wall: float


class Slice(NamedTuple):
    """A part of the large run, and small ones beside it."""

    large: Spent
    small: Spent


class Silent(Console):
    """Says nothing: hundreds of small runs would."""

    def say(self, text: str = "") -> None:
        """Nothing."""

    def tick(self, tick: Tick) -> None:
        """Nothing."""


class Pausing(RecordFile[Pair]):
    """The pairs of a run; after every `every` of them it calls `pause`."""

    def __init__(self, path: Path, every: int, pause: Callable[[], None]) -> None:
        super().__init__(path, Pair)
        self._every, self._pause = every, pause

    def __iter__(self) -> Iterator[Pair]:
        """The next pair is asked for when the one before has been dealt with, or put into a batch."""
        for count, pair in enumerate(super().__iter__(), start=1):
            yield pair
            if count % self._every == 0:
                self._pause()


@dataclass
class PausingRun(Run):
    """A run that does a small one at every pause."""

    every: int = 1
    small: Callable[[], Spent] | None = None
    slices: list[Slice] = field(default_factory=list)
    mark: Spent = field(default_factory=lambda: _now())

    def pairs(self) -> RecordFile[Pair]:
        """The pairs, read anew."""
        self.mark = _now()
        return Pausing(self.folder.pairs, self.every, self._pause)

    def _pause(self) -> None:
        large = _since(self.mark, self.every)
        if self.small:
            self.slices.append(Slice(large, self.small()))
        self.mark = _now()


def _now() -> Spent:
    return Spent(time.process_time(), time.perf_counter())


def _since(mark: Spent, pairs: int) -> Spent:
    now = _now()
    return Spent((now.cpu - mark.cpu) / pairs, (now.wall - mark.wall) / pairs)


def a_run(folder: Path, pairs: int, principles: int) -> PausingRun:
    """A run whose pairs are there, and no votes."""
    write_run(folder, pairs, CHECKS[:principles])
    config = load_run(folder / "run.yaml", {}, [])
    return PausingRun(config, folder, RunFolder(folder / "runs" / "bench"), Silent(), every=pairs // SLICES or 1)


def small_run(stage: Stage, pairs: int, principles: int) -> Spent:
    """The stage on so many pairs, from nothing."""
    with tempfile.TemporaryDirectory() as name:
        run = a_run(Path(name), pairs, principles)
        if stage is not JUDGE:
            JUDGE.execute(run)
        began = _now()
        stage.execute(run)
        return _since(began, pairs)


def measured(stage: Stage, run: PausingRun, small: Callable[[], Spent]) -> list[Slice]:
    """The stage on all the run's pairs, by slices; a slice of several readings is their sum."""
    run.slices, run.small = [], small
    stage.execute(run)
    readings = list(batched(run.slices, SLICES))
    assert len(readings) == READINGS[stage.name], "the stage reads the pairs another number of times"
    return [_together(parts) for parts in zip(*readings, strict=True)]


def _together(parts: Sequence[Slice]) -> Slice:
    def total(found: Sequence[float]) -> float:
        return sum(found)

    large = Spent(total([p.large.cpu for p in parts]), total([p.large.wall for p in parts]))
    small = Spent(statistics.mean(p.small.cpu for p in parts), statistics.mean(p.small.wall for p in parts))
    return Slice(large, small)


def kept(slices: Sequence[Slice], clock: Callable[[Spent], float]) -> dict[str, object]:
    """Throughput of the large run over that of the small ones."""
    ratios = sorted(clock(one.small) / clock(one.large) for one in slices)
    edge = len(ratios) // 20
    return {"all": _ratio(slices, clock), "last_tenth": _ratio(slices[-len(slices) // 10 :], clock)} | {
        "slices": [round(ratios[edge], 3), round(ratios[-1 - edge], 3)],
        "n": len(ratios),
    }


def _ratio(slices: Sequence[Slice], clock: Callable[[Spent], float]) -> float:
    return round(sum(clock(one.small) for one in slices) / sum(clock(one.large) for one in slices), 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flat")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--against", type=int, default=1_000)
    parser.add_argument("--principles", type=int, default=2, choices=range(1, len(CHECKS) + 1))
    asked = parser.parse_args()
    found: dict[str, object] = {"pairs": asked.pairs, "against": asked.against, "principles": asked.principles}
    with tempfile.TemporaryDirectory() as name:
        run = a_run(Path(name), asked.pairs, asked.principles)
        for stage in (JUDGE, LABEL):
            slices = measured(stage, run, partial(small_run, stage, asked.against, asked.principles))
            found[stage.name] = {"cpu": kept(slices, lambda s: s.cpu), "wall": kept(slices, lambda s: s.wall)}
            for part in batched(slices, SLICES // 10):
                large, small = (statistics.mean(getattr(one, which).cpu for one in part) for which in Slice._fields)
                print(
                    f"{stage.name}: {1e3 * large:.4f} ms a pair of {asked.pairs}, {1e3 * small:.4f} of {asked.against}"
                )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
