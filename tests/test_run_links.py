"""Links in a run folder: nothing is written outside the folder of all runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitution.errors import StoreError
from pipeline.folder import RunFolder
from tests.runs import preceptor, write_run


@pytest.mark.parametrize("link", ["", "50-policy", ".stamps", ".tasks"])
def test_a_link_out_of_the_runs_is_refused_in_one_sentence(link: str, tmp_path: Path) -> None:
    run_file, outside, place = write_run(tmp_path, "nowhere"), tmp_path / "outside", tmp_path / "runs/tiny" / link
    outside.mkdir()
    (outside / "model.safetensors").write_text("somebody else's")
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    result = preceptor("train", run_file, cwd=tmp_path)
    assert result.returncode == 2
    said = f"runs/tiny/{link}".rstrip("/") + f": a link to {outside}, which is outside runs; nothing was written."
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [path.read_text() for path in outside.iterdir()] == ["somebody else's"]


@pytest.mark.parametrize("name", ["30-votes.sqlite", "50-references.sqlite-wal", "metrics.jsonl", ".lock"])
def test_a_file_that_is_written_to_where_it_is_may_not_lead_outside(name: str, tmp_path: Path) -> None:
    run_file, outside, place = write_run(tmp_path, "nowhere"), tmp_path / "theirs", tmp_path / "runs/tiny" / name
    outside.write_text("somebody else's")
    place.parent.mkdir(parents=True)
    place.symlink_to(outside)
    result = preceptor("train", run_file, cwd=tmp_path)
    assert result.returncode == 2
    assert f"runs/tiny/{name}: a link to {outside}, which is outside runs; nothing was written." in result.stderr
    assert ("name that store as `votes` in the run file" in result.stderr) == (name == "30-votes.sqlite")
    assert outside.read_text() == "somebody else's"


def test_a_store_may_link_to_another_runs_and_shared_votes_may_be_anywhere(tmp_path: Path) -> None:
    shared = tmp_path / "shared/votes.sqlite"
    folder = RunFolder(tmp_path / "runs/tiny", shared)
    folder.create()
    (tmp_path / "runs/large").mkdir()
    for name in ("30-votes.sqlite", "20-samples.sqlite"):
        (tmp_path / "runs/large" / name).touch()
        (folder.root / name).symlink_to(f"../large/{name}")
    shared.symlink_to(tmp_path / "elsewhere.sqlite")
    folder.create()
    assert folder.votes == shared


def test_a_link_to_nothing_is_refused_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs/tiny")
    folder.create()
    folder.recording.symlink_to(tmp_path / "none")
    with pytest.raises(StoreError, match=r"50-recording: a link to .*none, which is outside"):
        folder.create()


def test_the_folder_of_all_runs_may_be_a_link_and_links_may_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "disk/large").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("disk")
    folder = RunFolder(tmp_path / "runs/tiny")
    folder.create()
    folder.policy.symlink_to(tmp_path / "runs/large")
    folder.create()
    (tmp_path / "labels").touch()
    folder.labels.symlink_to(tmp_path / "labels")  # a file is replaced by a rename, the link's target is not written to
    folder.create()
    with folder.locked():
        assert (tmp_path / "disk/tiny/.lock").is_file()
