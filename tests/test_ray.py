"""Two real Ray actors with the real engine leave what one process leaves, also when one of them is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from constitution.errors import PreceptorError
from generate.engine import ModelRef
from pipeline.executor_settings import RayExecutor
from pipeline.ray_pool import _ended, check_installed
from tests.runs import command, environment, preceptor, write_run

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.every_core]
ON_RAY = ("--executor", "ray", "--set", "judge=reader")
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
Rows = dict[str, str]


@pytest.fixture(scope="module")
def judged(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process: answers, pairs, and votes of a judge that reads probabilities."""
    folder = tmp_path_factory.mktemp("local")
    run_file = write_run(folder, tiny_model.path)
    text = run_file.read_text(encoding="utf-8").replace("samples: 3", "samples: 5")
    run_file.write_text(text, encoding="utf-8")
    for stage in ("generate", "judge"):
        done(preceptor(stage, "run.yaml", "--set", "judge=reader", cwd=folder))
    return folder


def done(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def rows(folder: Path, store: str = "30-votes.sqlite") -> Rows:
    """Every record of a store, by its key."""
    with sqlite3.connect(f"file:{folder}/runs/tiny/{store}?mode=ro", uri=True) as db:
        return dict(db.execute("SELECT key, body FROM records"))


def account(folder: Path) -> dict[str, object]:
    """30-votes.json, without what this very call did."""
    found: dict[str, dict[str, object]] = json.loads((folder / "runs/tiny/30-votes.json").read_text(encoding="utf-8"))
    for name in ("asked", "stored", "tokens_in", "tokens_out", "paces"):
        del found["count"][name]
    return found


def descendants(process: int) -> Iterator[int]:
    for child in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split():
        yield int(child)
        yield from descendants(int(child))


def actors_of(process: int) -> list[int]:
    """The processes of its actors; Ray writes into their titles what they are."""
    found = []
    for one in descendants(process):
        try:
            title = Path(f"/proc/{one}/cmdline").read_text(encoding="utf-8")
        except OSError:  # it has just ended
            continue
        if title.startswith("ray::") and "JudgeActor" in title:
            found.append(one)
    return found


def judging(folder: Path, than: int) -> subprocess.Popen[str]:
    """`judge` on Ray, as soon as more votes `than` these are committed."""
    shutil.rmtree(folder / "runs/tiny/.stamps")
    process = subprocess.Popen(
        command("judge", "run.yaml", *ON_RAY), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    store, until = folder / "runs/tiny/30-votes.sqlite", time.monotonic() + 200
    while not (store.exists() and len(rows(folder)) > than):
        assert process.poll() is None, "it ended before a vote was there"
        assert time.monotonic() < until, "no vote after minutes"
        time.sleep(0.01)
    return process


@pytest.fixture
def on_ray(judged: Path, tmp_path: Path) -> Path:
    """The same run in a folder of its own."""
    return Path(shutil.copytree(judged, tmp_path / "run"))


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """The address of a cluster of one node that asks for a token and works in a folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    head = ["--head", "--block", "--node-ip-address", "127.0.0.1", "--port", address.rpartition(":")[2]]
    sizes = [
        "--num-cpus",
        "3",
        "--num-gpus",
        "0",
        "--object-store-memory",
        str(100 << 20),
        "--include-dashboard",
        "false",
    ]
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        arguments = [*head, *sizes, "--disable-usage-stats", "--temp-dir", folder]
        ray = Path(sys.executable).with_name("ray")
        with (Path(folder) / "said").open("w+", encoding="utf-8") as said:
            env = {**os.environ, **TOKEN}
            head_node = subprocess.Popen([ray, "start", *arguments], cwd=folder, stdout=said, stderr=said, env=env)
            until = time.monotonic() + 60
            while "Ray runtime started" not in Path(said.name).read_text(encoding="utf-8"):
                assert head_node.poll() is None, Path(said.name).read_text(encoding="utf-8")
                assert time.monotonic() < until, "no cluster after a minute"
                time.sleep(0.1)
            yield address
            # It and what it started, and nothing else. Asked to end, it would wait half a minute for its workers.
            for process in [head_node.pid, *descendants(head_node.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            head_node.wait(timeout=60)


@pytest.fixture
def cluster(node: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same, with its token in the environment."""
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)
    return node


def test_answers_and_pairs_are_those_of_one_process(judged: Path, on_ray: Path, cluster: str) -> None:
    """On the cluster that the votes are asked on too: it is started once."""
    shutil.rmtree(on_ray / "runs")
    said = done(preceptor("generate", "run.yaml", *ON_RAY, "--set", f"executor.address={cluster}", cwd=on_ray))
    assert "3 batches for" in said
    assert "on 2 Ray actors" in said
    assert rows(on_ray, "20-samples.sqlite") == rows(judged, "20-samples.sqlite")
    for name in ("10-prompts.jsonl", "20-pairs.jsonl", "20-counts.json"):
        assert (on_ray / "runs/tiny" / name).read_bytes() == (judged / "runs/tiny" / name).read_bytes(), name


def test_a_cluster_that_is_there_is_joined_with_its_token_under_a_relative_runs_folder(
    judged: Path, on_ray: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(on_ray / "runs/tiny/.stamps")
    for file in (on_ray / "runs/tiny").glob("30-*"):
        file.unlink()
    there = (*ON_RAY, "--set", f"executor.address={cluster}", "--set", "executor.actors=1")
    joined = preceptor("judge", "run.yaml", *there, cwd=on_ray)
    assert done(joined)
    assert "Deprecat" not in joined.stderr
    assert rows(on_ray) == rows(judged)

    (on_ray / "runs/tiny/30-votes.sqlite").unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    refused = preceptor("judge", "run.yaml", *there, cwd=on_ray)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "Ray cannot be started or reached: " in refused.stderr
    assert "`RAY_AUTH_MODE=token` and its token in `RAY_AUTH_TOKEN`" in refused.stderr


def test_kills_of_the_driver_and_of_an_actor_cost_no_vote_and_give_none_twice(judged: Path, on_ray: Path) -> None:
    """The driver is killed; the same command goes on from what it had committed, and one of its actors is killed."""
    wanted = rows(judged)
    for file in (on_ray / "runs/tiny").glob("30-*"):
        file.unlink()
    first = judging(on_ray, than=0)
    first.kill()
    first.communicate(timeout=60)
    stored = rows(on_ray)
    assert stored.items() < wanted.items()

    second = judging(on_ray, than=len(stored))
    victims, before = actors_of(second.pid), len(rows(on_ray))
    os.kill(victims[0], signal.SIGKILL)
    said, _ = second.communicate(timeout=200)
    assert second.returncode == 0, said
    assert len(victims) == 2
    assert before < len(wanted), "the actor was killed when all was done"
    assert rows(on_ray) == wanted
    # What was asked is what was missing, once: a vote that came twice would count twice.
    assert f"{len(wanted) - len(stored)} votes asked, {len(stored)} from the store" in said
    assert account(on_ray) == account(judged)
    assert not (on_ray / "runs/tiny/.tasks").exists()


def test_every_error_of_ray_is_one_sentence() -> None:
    from ray.exceptions import NodeDiedError, ObjectStoreFullError, OutOfDiskError, OutOfMemoryError, RayTaskError

    settings = RayExecutor(type="ray", restarts=1)
    task = RayTaskError("work", "ray::work() (pid=1)\n  in work\nKeyError: 'a'", KeyError("a"))
    wanted = {
        OutOfMemoryError("killed"): "oftener than `executor.restarts: 1` allows",
        OutOfDiskError("disk"): "Ray ended the work: OutOfDiskError: ",
        ObjectStoreFullError("full"): "Ray ended the work: ObjectStoreFullError: full",
        NodeDiedError("gone"): "Ray ended the work: NodeDiedError: gone",
        task: "Ray ended the work: RayTaskError: KeyError: 'a'",
    }
    for error, text in wanted.items():
        said = str(_ended(error, settings))
        assert text in said
        assert "the same command goes on from there" in said
        assert "\n" not in said


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PreceptorError, match=r"pip install 'preceptor\[ray\]'"):
        check_installed()


def test_an_executor_that_nobody_knows_is_refused(judged: Path) -> None:
    process = preceptor("judge", "run.yaml", "--executor", "spark", cwd=judged)
    assert process.returncode == 2
    assert "`spark` is no executor: `local` or `ray` was expected" in process.stderr
