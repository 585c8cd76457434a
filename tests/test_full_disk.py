"""A disk that is full where weights, tokenizers, copies and temporary files are written: one sentence, no litter."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from constitution.errors import StoreError
from constitution.scratch import Filed, Grouped, SeenKeys
from generate.weights import writing
from pipeline.exports import model_folder
from tests.training import tiny_reference
from train.policy import make_trainable
from train.save import save_policy


@contextmanager
def limited(bytes_: int) -> Iterator[None]:
    """No file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_error_of_a_tokenizer_is_one_sentence(tmp_path: Path) -> None:
    """tokenizers has no type of its own for it. /dev/full is always full."""
    said = r"cannot be written \(No space left on device \(os error 28\)\)"
    with pytest.raises(StoreError, match=said), writing(tmp_path):
        Tokenizer(models.BPE()).save("/dev/full")
    with pytest.raises(Exception, match=r"^ours$"), writing(tmp_path):
        raise Exception("ours")


def test_nothing_half_saved_stays(tmp_path: Path) -> None:
    policy = make_trainable(tiny_reference(tmp_path / "model"), None, seed=5)
    out = tmp_path / "policy"
    out.mkdir()
    with pytest.raises(StoreError, match="cannot be written"), limited(20_000):
        save_policy(policy, out, adapted=False)
    assert list(out.iterdir()) == []
    save_policy(policy, out, adapted=False)
    assert (out / "model.safetensors").is_file()
    assert not (out / ".policy.tmp").exists()


def test_an_exported_model_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/model.safetensors").write_bytes(bytes(50_000))
    run: Any = SimpleNamespace(folder=SimpleNamespace(policy=tmp_path / "policy"))
    said = r"out/model\.safetensors: cannot be written \(.*File too large"
    with pytest.raises(StoreError, match=said) as caught, limited(20_000):
        model_folder(run, tmp_path / "out")
    assert "\n" not in str(caught.value)


def fill(scratch: SeenKeys | Filed | Grouped) -> None:
    """More than SQLite keeps in memory."""
    for text in (f"{number}" * 300 for number in range(10_000)):
        if isinstance(scratch, SeenKeys):
            scratch.add([text])
        elif isinstance(scratch, Filed):
            scratch.add((text, "x"), text)
        else:
            scratch.add(text, text)


@pytest.mark.parametrize("kind", [SeenKeys, Filed, Grouped])
def test_temporary_files_that_do_not_fit_name_their_folder(
    kind: type[SeenKeys | Filed | Grouped], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    said = rf"^{tmp_path}: temporary files cannot be written \(.*\)\. Set SQLITE_TMPDIR"
    with limited(100_000), kind() as scratch, pytest.raises(StoreError, match=said):
        fill(scratch)
