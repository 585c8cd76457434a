"""The fuzzers in short, and that they would see what they look for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from benchmarks.fuzz import Target, fuzz, main, mutated, targets


def test_a_second_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0.02"]) == 0
    withstood = json.loads(capsys.readouterr().out.splitlines()[-1])["withstood"]
    assert set(withstood) == set(targets())
    assert all(count > 0 for count in withstood.values())


def test_what_is_not_withstood_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def fragile(data: bytes, _: Path) -> None:
        data.decode("ascii")

    assert fuzz("ascii", Target([b"abc"], fragile), 10, random.Random(0)) is None
    with pytest.raises(UnicodeDecodeError):
        (tmp_path / "fuzz-ascii.bin").read_bytes().decode("ascii")


def test_mutations_are_reproducible_and_small() -> None:
    one, two = ([mutated(b"x" * 1000, random.Random(seed), [b"y"]) for seed in range(50)] for _ in range(2))
    assert one == two
    assert len(set(one)) == 50
    assert all(400 < len(data) < 3000 for data in one)
