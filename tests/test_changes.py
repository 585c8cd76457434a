"""What a stage says that has changed: what of the constitution was edited, and nothing that follows from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.labelling import write_run
from pipeline.run import run_pipeline
from tests.test_run import edit

EXTRA = "principles:\n  - {id: extra, text: Extra., check: {type: repetition, n: 1}}\n"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight principles, judged by rules and labelled."""
    folder = tmp_path_factory.mktemp("changes")
    write_run(folder, 8)
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "judged", "relabelled"),
    [
        ("weight: 6", "weight: 60", "judge: nothing to do", "label: changed: weights"),
        ("principles:\n", EXTRA, "judge: changed: principle `extra`", "label: changed: votes, principles"),
        ("id: p7,", "id: p7, scope: [none],", "judge: changed: scopes", "label: changed: votes, principles, scopes"),
        (
            "principles:\n",
            "aggregation: {rule: majority}\nprinciples:\n",
            "judge: nothing to do",
            "label: changed: rule",
        ),
    ],
    ids=["weight", "added", "scope", "rule"],
)
def test_what_was_edited_is_named(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, judged: str, relabelled: str
) -> None:
    shutil.copytree(labelled, tmp_path, dirs_exist_ok=True)
    edit(tmp_path / "constitution.yaml", old, new)
    run_pipeline(("judge",), tmp_path / "run.yaml", {}, [], tmp_path / "runs", dry_run=True)
    said = capsys.readouterr().out
    assert "because of: scopes" not in said or "scope" in new
    run_pipeline(("judge", "label"), tmp_path / "run.yaml", {}, [], tmp_path / "runs")
    lines = capsys.readouterr().out.splitlines()
    assert judged in [line.split(",")[0] if "nothing" in line else line for line in lines]
    assert relabelled in lines
