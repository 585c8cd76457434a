"""The fuzzers in short, and that they would see what they look for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz import fuzz, main
from benchmarks.fuzz_targets import RUN, SETTINGS, Target, targets
from constitution.errors import ConfigError
from pipeline.load import load_run
from tests.conftest import REPOSITORY


def test_a_second_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0.02"]) == 0
    withstood = json.loads(capsys.readouterr().out.splitlines()[-1])["withstood"]
    assert set(withstood) == set(targets())
    assert all(count > 0 for count in withstood.values())


def test_what_is_not_withstood_is_made_small_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def fragile(data: bytes, _: Path) -> None:
        data.decode("ascii")

    assert fuzz("ascii", Target([b"some plain text", b"abc"], fragile), 10, 0) is None
    assert "NOT WITHSTOOD with seed 0 after " in capsys.readouterr().out
    kept = (tmp_path / "fuzz-ascii.bin").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        kept.decode("ascii")
    assert len(kept) <= 5, "a letter that is none of ASCII's, in the shortest input"


def test_mutations_are_reproducible_and_small(tmp_path: Path) -> None:
    """In a process of its own: Hypothesis draws otherwise after other tests' examples."""
    code = "from pathlib import Path; from tests.test_fuzz import check_mutations; check_mutations(Path.cwd())"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=300)


def check_mutations(folder: Path) -> None:
    def tried(first: int) -> list[bytes]:
        found: list[bytes] = []

        def keep(data: bytes, _: Path) -> None:
            found.append(data)
            assert len(found) < 200

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            fuzz("kept", Target([b"x" * 1000], keep), 60, first)
        return found[:199]

    one, two, other = tried(7), tried(7), tried(8)
    assert one == two
    assert one != other
    assert len(set(one)) > 100  # how many depends on the texts in the project's sources, which Hypothesis draws from
    assert all(400 < len(data) < 3000 for data in one)


def test_the_settings_that_are_mutated_reach_what_checks_them(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(RUN, encoding="utf-8")
    for setting in ("executor={type: ray, actors: 2}", "train.beta=0.2", "train.lora.r=4"):
        assert setting in SETTINGS
        assert load_run(path, {}, [setting]) != load_run(path, {})


@pytest.mark.parametrize(
    ("flags", "setting", "flag"),
    [({}, "judge=a\udc80", "--set judge"), ({}, "a\udc80=1", "--set a?"), ({"judge": "\udcff"}, "a=1", "--judge")],
)
def test_a_flag_that_is_no_text_is_refused(tmp_path: Path, flags: dict[str, object], setting: str, flag: str) -> None:
    """Found by the fuzzer: Python passes an argument's bytes that are not UTF-8 on as half characters."""
    path = tmp_path / "run.yaml"
    path.write_text(RUN, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_run(path, flags, [setting])
    assert [(one.file, one.message) for one in caught.value.problems] == [(flag, "not valid UTF-8")]


def test_a_setting_that_stops_within_braces_is_refused(tmp_path: Path) -> None:
    """Found by the fuzzer: the place of what lacks is the line behind the last."""
    path = tmp_path / "run.yaml"
    path.write_text(RUN, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_run(path, {}, ["executor={type: ray, a"])
    assert {one.file for one in caught.value.problems} == {"--set executor"}
