"""Mutated constitutions, verdicts and stores: whatever comes, a record or an error of ours, and no wrong record.

    python -m benchmarks.fuzz [--minutes 10] [--seed 0]

So many minutes each. The last line is one JSON object: how many inputs were tried. An input that is not withstood is
written to fuzz-NAME.bin, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.hostile.records import Note
from benchmarks.hostile.verdicts import GOOD as GOOD_VERDICT
from benchmarks.hostile.verdicts import MALFORMED
from benchmarks.hostile.yaml_files import GOOD, RUN, RUN_TEXTS, TEXTS
from constitution.errors import PreceptorError
from constitution.load import load_constitution
from constitution.store import Store
from judge.verdict import ANSWER_CHARS, NoVerdict, Verdict, read_verdict
from pipeline.load import load_run

LONGEST_SEED = 5_000
PIECES = (b"\n", b"  ", b": ", b"- ", b"{", b"}", b'"', b"&a ", b"*a ", b"!", b"\x00")
SLOW_SECONDS = 5.0


class Target(NamedTuple):
    """What is fuzzed: inputs to begin with, and what must hold for every mutation of them."""

    seeds: list[bytes]
    withstand: Callable[[bytes, Path], None]


def mutated(data: bytes, draw: random.Random, others: list[bytes]) -> bytes:
    """One to eight small changes: bytes flipped, cut, doubled, moved, or taken from another input."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        start = draw.randrange(len(found) + 1)
        end = min(len(found), start + draw.choice((1, 1, 2, 4, 16, 64)))
        kind = draw.randrange(5)
        if kind == 0:
            found[start:end] = draw.randbytes(end - start)
        elif kind == 1:
            del found[start:end]
        elif kind == 2:
            found[start:start] = found[start:end] * draw.randint(1, 3)
        elif kind == 3:
            other = draw.choice(others)
            place = draw.randrange(len(other) + 1)
            found[start:start] = other[place : place + draw.randint(1, 40)]
        else:
            found[start:start] = draw.choice(PIECES)
    return bytes(found)


def _yaml(data: bytes, folder: Path) -> None:
    path = folder / "x.yaml"
    path.write_bytes(data)
    for load in (load_constitution, lambda p: load_run(p, {})):
        with contextlib.suppress(PreceptorError):
            load(path)


def _verdict(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")
    found = read_verdict(text, "stop")
    if isinstance(found, NoVerdict):
        assert found.reason, "a failed vote without a reason"
        return
    assert isinstance(found, Verdict), "a record of another kind"
    assert len(text) <= ANSWER_CHARS, "longer than an answer may be"
    assert json.loads(text) == found.model_dump(), "not what the text says"


NOTES = {f"{n:032x}": Note(text=f"note {n} " * (n % 90)) for n in range(60)}


def _store_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notes.sqlite"
        with Store(path, Note) as store:
            store.put(NOTES)
        return path.read_bytes()


def _store(data: bytes, folder: Path) -> None:
    for left in folder.iterdir():
        left.unlink()
    path = folder / "notes.sqlite"
    path.write_bytes(data)
    for _ in range(2):  # once as it is, once as it was mended
        with contextlib.suppress(PreceptorError), Store(path, Note) as store:
            assert store.get(NOTES).items() <= NOTES.items(), "a record that nobody wrote"


def targets() -> Mapping[str, Target]:
    """By name."""
    texts = [GOOD, RUN, *TEXTS.values(), *RUN_TEXTS.values()]
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    answers = [GOOD_VERDICT, *(text for text, _ in MALFORMED)]
    return {
        "yaml": Target([data for data in encoded if len(data) <= LONGEST_SEED], _yaml),
        "verdict": Target([text.encode() for text in answers if len(text) <= LONGEST_SEED], _verdict),
        "store": Target([_store_bytes()], _store),
    }


def fuzz(name: str, target: Target, seconds: float, draw: random.Random) -> int | None:
    """How many inputs were withstood; None, after saying why, if one was not."""
    tried, ends = 0, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < ends:
            data = mutated(draw.choice(target.seeds), draw, target.seeds)
            started = time.monotonic()
            try:
                target.withstand(data, Path(folder))
                assert time.monotonic() - started < SLOW_SECONDS, "too slow"
            except Exception as error:
                Path(f"fuzz-{name}.bin").write_bytes(data)
                print(f"{name}: NOT WITHSTOOD after {tried}: {type(error).__name__}: {error}; see fuzz-{name}.bin")
                return None
            tried += 1
    print(f"{name}: {tried} inputs withstood in {seconds:.0f} s", flush=True)
    return tried


def main(arguments: list[str]) -> int:
    """Every target in turn; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    draw = random.Random(chosen.seed)  # noqa: S311
    found = {name: fuzz(name, target, 60 * chosen.minutes, draw) for name, target in targets().items()}
    print(json.dumps({"minutes": chosen.minutes, "withstood": found}))
    return int(None in found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
