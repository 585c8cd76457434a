"""A run whose files are damaged, whose disk is full or whose folder may not be written: one sentence, nothing lost."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.errors import StoreError
from generate.engine import ModelRef
from pipeline.run import run_pipeline
from tests.damage import flip_page, no_bytes, truncate_half, zero_header
from tests.runs import command, environment, preceptor, write_run

STAGES = ("generate", "judge", "label")
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def go(folder: Path, stages: tuple[str, ...] = STAGES) -> None:
    run_pipeline(stages, folder / "run.yaml", {}, (), folder / "runs")


def artefacts(folder: Path) -> dict[str, object]:
    """Everything that the stages said, without times."""
    run = folder / "runs" / "tiny"
    found: dict[str, object] = {p.name: p.read_bytes() for p in run.glob("*.jsonl")}
    account = json.loads((run / "30-votes.json").read_text())
    found |= {"states": account["states"], "digest": account["count"]["digest"]}
    for store in ("20-samples.sqlite", "30-votes.sqlite"):
        with sqlite3.connect(run / store) as db:
            found[store] = dict(db.execute("SELECT key, body FROM records"))
        db.close()
    return found


@pytest.fixture(scope="module")
def labelled(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    write_run(folder, tiny_model.path)
    go(folder)
    return folder


@pytest.fixture
def copied(labelled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(labelled, tmp_path / "run"))


def half_a_line(path: Path) -> None:
    """As a file looks that was cut off while it was copied."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + (data[len(data) // 2 - 1 : len(data) // 2] == b"\n")])


def flip_second(path: Path) -> None:
    """The first page after the schema's."""
    flip_page(path, 1)


def other_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" + path.read_bytes()[:40])


@pytest.mark.parametrize("damage", [half_a_line, no_bytes, other_bytes])
@pytest.mark.parametrize("name", ["20-pairs.jsonl", "40-labels.jsonl", "30-votes.json"])
def test_a_damaged_artefact_is_set_aside_and_made_again(
    copied: Path, name: str, damage: Callable[[Path], None]
) -> None:
    whole, path = artefacts(copied), copied / "runs" / "tiny" / name
    damage(path)
    found = path.read_bytes()
    # What reads it next, and why that stage runs at all: another weight.
    text = (copied / "constitution.yaml").read_text()
    (copied / "constitution.yaml").write_text(text.replace("weight: 2", "weight: 5"))
    reader = (*STAGES, "train") if name.startswith("40") else STAGES
    if name.startswith("40"):
        (copied / "constitution.yaml").write_text(text)
    with pytest.raises(StoreError, match=rf"{name} is damaged, .* kept as {name}\.corrupt-"):
        go(copied, reader)
    (aside,) = path.parent.glob(f"{name}.corrupt-*")
    assert aside.read_bytes() == found
    (copied / "constitution.yaml").write_text(text)
    go(copied)
    assert artefacts(copied) == whole


@pytest.mark.parametrize("damage", [flip_second, truncate_half, no_bytes, zero_header])
@pytest.mark.parametrize("store", ["20-samples.sqlite", "30-votes.sqlite"])
def test_a_damaged_store_is_said_once_and_only_its_losses_are_computed(
    copied: Path, store: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, run = artefacts(copied), copied / "runs" / "tiny"
    damage(run / store)
    for stamp in ("generate", "judge", "label"):
        (run / ".stamps" / f"{stamp}.json").unlink()
    with pytest.raises(StoreError, match=rf"{store}: damaged .* kept as {store}\.corrupt-"):
        go(copied)
    go(copied)
    assert artefacts(copied) == whole
    if store.startswith("30"):
        kept = sqlite3.connect(run / store).execute("SELECT count(*) FROM records").fetchone()[0]
        asked = int(capsys.readouterr().out.split("judge `rules`: ")[-1].split(" votes asked")[0])
        assert asked <= kept


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"count": []}', "9" * 5000])
def test_an_account_of_another_shape_is_set_aside_and_made_again(copied: Path, text: str) -> None:
    whole, path = artefacts(copied), copied / "runs" / "tiny" / "30-votes.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"30-votes.json is damaged, .* kept as 30-votes.json.corrupt-"):
        go(copied)
    go(copied)
    assert artefacts(copied) == whole


def test_a_dry_run_says_that_a_store_is_damaged_and_leaves_it(copied: Path) -> None:
    run = copied / "runs" / "tiny"
    no_bytes(run / "30-votes.sqlite")
    before = {path: path.lstat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(StoreError, match=r"30-votes\.sqlite: damaged \(it is empty\); nothing was touched"):
        run_pipeline(("judge",), copied / "run.yaml", {}, (), copied / "runs", dry_run=True)
    assert {path: path.lstat().st_mtime_ns for path in run.rglob("*")} == before


def test_who_only_reads_a_damaged_artefact_says_what_to_do_and_leaves_it(copied: Path) -> None:
    labels = copied / "runs" / "tiny" / "40-labels.jsonl"
    half_a_line(labels)
    found = labels.read_bytes()
    said = preceptor("trace", "run.yaml", "--principle", "short", cwd=copied)
    assert said.returncode == 2
    assert "40-labels.jsonl is damaged, or of another version: remove it, and `preceptor run` with this" in said.stderr
    assert labels.read_bytes() == found
    labels.unlink()
    go(copied)
    assert preceptor("trace", "run.yaml", "--principle", "short", cwd=copied).returncode == 0


def test_labels_are_not_made_of_a_store_that_lost_votes(copied: Path) -> None:
    """Damage that is found where votes are only read: the judge is asked first, then the labels are the same."""
    whole, run = artefacts(copied), copied / "runs" / "tiny"
    (run / "40-labels.jsonl").unlink()
    truncate_half(run / "30-votes.sqlite")
    with pytest.raises(StoreError, match="damaged"):
        go(copied, ("label",))
    with pytest.raises(StoreError, match=r"not the store that `judge` filled .* run `preceptor judge`"):
        go(copied, ("label",))
    go(copied, ("judge",))
    go(copied, ("label",))
    assert artefacts(copied) == whole


def limited(bytes_: int) -> Callable[[], None]:
    """No file may grow beyond this: what a full disk is, as far as one process can tell."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def powerless() -> None:
    """Permissions hold for root too, from the next program on."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


def refused(arguments: list[str], cwd: Path, before: Callable[[], None]) -> str:
    """What a command says that cannot write: one sentence, exit code 2."""
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=environment(),
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("size", [5_000, 40_000])
def test_a_full_disk_costs_nothing_that_was_done(labelled: Path, tmp_path: Path, size: int) -> None:
    folder = Path(shutil.copytree(labelled, tmp_path / "run"))
    run = folder / "runs" / "tiny"
    for name in ("30-votes.sqlite", "30-votes.json", "40-labels.jsonl", "40-preferences.parquet"):
        (run / name).unlink()
    said = refused(command("judge", "run.yaml"), folder, limited(size))
    assert "nothing was deleted" in said or "nothing is left half written" in said
    for stage in ("judge", "label"):
        result = preceptor(stage, "run.yaml", cwd=folder)
        assert result.returncode == 0, result.stderr
    assert artefacts(folder) == artefacts(labelled)


def test_labels_on_a_full_disk(labelled: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(labelled, tmp_path / "run"))
    (folder / "runs/tiny/40-preferences.parquet").unlink()
    said = refused(command("label", "run.yaml"), folder, limited(1_000))
    assert "cannot be written (File too large)" in said
    assert artefacts(folder) == artefacts(labelled)
    assert not list((folder / "runs/tiny").glob(".*.tmp"))


@pytest.mark.parametrize("locked", [".", ".stamps"])
def test_a_read_only_folder(labelled: Path, tmp_path: Path, locked: str) -> None:
    folder = Path(shutil.copytree(labelled, tmp_path / "run"))
    (folder / "runs/tiny/40-labels.jsonl").unlink()
    (folder / "runs/tiny" / locked).chmod(0o555)
    said = refused(command("label", "run.yaml"), folder, powerless)
    assert "ermission denied" in said
    (folder / "runs/tiny" / locked).chmod(0o755)
    assert preceptor("label", "run.yaml", cwd=folder).returncode == 0
    assert artefacts(folder) == artefacts(labelled)


def test_what_a_killed_process_left_half_written_is_removed(copied: Path) -> None:
    left = [copied / "runs/tiny" / name for name in (".40-labels.jsonl.99.tmp", ".stamps/.label.json.99.tmp")]
    for path in left:
        path.write_text("half")
    go(copied)
    assert not any(path.exists() for path in left)


def test_a_disk_that_fills_up_in_training(labelled: Path, tmp_path: Path) -> None:
    """safetensors has errors of its own for this; the next call goes on from what was kept."""
    folder = Path(shutil.copytree(labelled, tmp_path / "run"))
    said = refused(command("train", "run.yaml"), folder, limited(60_000))
    assert "File too large" in said
    assert "What was finished is kept" in said
    result = preceptor("train", "run.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "runs/tiny/50-policy/model.safetensors").is_file()
    assert not list((folder / "runs/tiny").rglob("*.tmp"))
