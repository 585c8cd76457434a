"""Commands that messages give can be typed as they stand; commands that come too early leave nothing behind."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from constitution.errors import StoreError
from pipeline.folder import RunFolder
from tests.runs import environment, preceptor, write_run


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--out", "pairs.json"),
        ("export", "--format", "model", "--out", "model"),
        ("chat", "--prompt", "x"),
        ("trace",),
        ("trace", "--pair", "a"),
        ("trace", "--behaviour", "short"),
        ("whatif", "--drop", "short"),
        ("conflicts",),
        ("ablate",),
        ("constitution", "diff"),
    ],
)
def test_what_needs_a_finished_run_names_the_one_command_that_makes_it(words: tuple[str, ...], tmp_path: Path) -> None:
    write_run(tmp_path / "my folder", "nowhere").rename(tmp_path / "my folder" / "mine.yaml")
    file, flags = Path("my folder/mine.yaml"), ("--name", "early", "--runs", "elsewhere")
    law = file.with_name("constitution.yaml")
    given = (*words, law, law, "--run", file) if words[0] == "constitution" else (words[0], file, *words[1:])
    result = preceptor(*given, *flags, cwd=tmp_path)
    assert result.returncode == 2
    assert "run `preceptor run 'my folder/mine.yaml' --name early --runs elsewhere` first" in result.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("words", [("label",), ("run",), ("run", "--dry-run", "--measure"), ("whatif",)])
def test_a_command_that_computes_nothing_leaves_nothing(words: tuple[str, ...], tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    before = sorted(tmp_path.rglob("*"))
    assert preceptor(words[0], "run.yaml", *words[1:], cwd=tmp_path).returncode == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_was_there_or_holds_something_stays(tmp_path: Path) -> None:
    there, used, shared = (tmp_path / name for name in ("there", "runs/used", "runs/shared"))
    there.mkdir()
    for root, votes in ((there, None), (used, None), (shared, tmp_path / "all" / "votes.sqlite")):
        folder = RunFolder(root, votes)
        folder.create()
        with folder.locked():
            (used / "10-prompts.jsonl").write_text("") if root == used else None
    assert there.is_dir()
    assert (used / "10-prompts.jsonl").is_file()
    assert not shared.exists()
    assert not (tmp_path / "all").exists()


def test_a_folder_that_another_process_takes_away_meanwhile_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first `flock` finds that the file it has open was removed by another process, which has now ended."""
    folder, flock = RunFolder(tmp_path / "runs" / "one"), fcntl.flock
    removed: list[Path] = []

    def late(stream: IO[str], how: int) -> None:
        if not removed:
            removed.append(tmp_path / "runs")
            shutil.rmtree(tmp_path / "runs")
        flock(stream, how)

    monkeypatch.setattr(fcntl, "flock", late)
    folder.create()
    with folder.locked():
        with pytest.raises(StoreError, match="is working in this run folder"), RunFolder(folder.root).locked():
            pass
        assert removed
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the command in `bin/preceptor`, as pip makes it."""
    program = tmp_path / "my bin" / "preceptor"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom pipeline.cli import entry\n\nentry()\n", encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "path", "shown"),
    [
        ("'my bin/preceptor'", "/nowhere", "'my bin/preceptor'"),
        ("'{folder}/my bin/preceptor'", "/nowhere", "'{folder}/my bin/preceptor'"),
        ("preceptor", "{folder}/my bin", "preceptor"),
        ("'my bin/preceptor'", "{folder}/my bin", "preceptor"),
        (f"{sys.executable} -m pipeline.cli", "/nowhere", "preceptor"),
    ],
)
def test_a_command_is_printed_as_it_can_be_called(installed: Path, typed: str, path: str, shown: str) -> None:
    typed, path, shown = (each.format(folder=installed) for each in (typed, path, shown))
    result = subprocess.run(
        ["/bin/sh", "-c", f"{typed} constitution init"],
        cwd=installed, env={**environment(), "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = f"constitution.yaml written; edit it, then: {shown} constitution check constitution.yaml\n"
    assert (result.stdout, result.stderr) == (said, "")
