"""A trained policy whose files are damaged: kept under another name, and trained again by the same command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from generate.engine import ModelRef
from pipeline.run import run_pipeline
from tests.damage import no_bytes, truncate_half
from tests.runs import write_run

STAGES = ("generate", "judge", "label", "train")


def go(folder: Path, stages: tuple[str, ...] = ("train",), dry: bool = False) -> None:
    run_pipeline(stages, folder / "run.yaml", {}, (), folder / "runs", dry_run=dry)


def policy(folder: Path) -> dict[str, bytes]:
    """What a training leaves, without the account of it, which names the folder."""
    found = folder / "runs/tiny/50-policy"
    return {str(p.relative_to(found)): p.read_bytes() for p in found.rglob("*.*") if p.stem != "training"}


@pytest.fixture(scope="module")
def trained(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    text = write_run(folder, tiny_model.path).read_text(encoding="utf-8")
    (folder / "run.yaml").write_text(text.replace("epochs: 4", "epochs: 1"), encoding="utf-8")
    go(folder, STAGES)
    return folder


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", truncate_half),
        ("config.json", no_bytes),
        ("config.json", Path.unlink),
        ("tokenizer.json", truncate_half),
    ],
)
def test_a_damaged_policy_is_set_aside_and_trained_again(
    trained: Path, tmp_path: Path, name: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    run = folder / "runs/tiny"
    whole = policy(folder)
    damage(run / "50-policy" / name)
    left = policy(folder)
    go(folder, dry=True)
    assert policy(folder) == left
    go(folder)
    said = capsys.readouterr().out
    assert policy(folder) == whole
    (aside,) = run.glob("50-policy.corrupt-*")
    assert f"train: damaged: 50-policy/{name}" in said
    assert {file: (aside / file).read_bytes() for file in left} == left
    go(folder)
    assert "train: nothing to do" in capsys.readouterr().out


def test_a_checkpoint_beside_a_damaged_policy_stays(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    whole, found = policy(folder), folder / "runs/tiny/50-policy"
    no_bytes(found / "config.json")
    (found / ".checkpoint.safetensors").write_bytes(b"of other inputs")
    go(folder)
    assert policy(folder) == whole
    (aside,) = found.parent.glob("50-policy.corrupt-*")
    assert not (aside / ".checkpoint.safetensors").exists()
