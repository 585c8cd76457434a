"""Two real Ray actors with the real engine leave what one process leaves, also when one of them is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from constitution.errors import PreceptorError
from generate.engine import ModelRef
from pipeline.ray_pool import check_installed
from tests.runs import command, environment, preceptor, write_run

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.every_core]
ON_RAY = ("--executor", "ray", "--set", "judge=reader")
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


def test_answers_and_pairs_are_those_of_one_process(judged: Path, on_ray: Path) -> None:
    shutil.rmtree(on_ray / "runs")
    said = done(preceptor("generate", "run.yaml", *ON_RAY, cwd=on_ray))
    assert "3 batches for" in said
    assert "on 2 Ray actors" in said
    assert rows(on_ray, "20-samples.sqlite") == rows(judged, "20-samples.sqlite")
    for name in ("10-prompts.jsonl", "20-pairs.jsonl", "20-counts.json"):
        assert (on_ray / "runs/tiny" / name).read_bytes() == (judged / "runs/tiny" / name).read_bytes(), name


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


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PreceptorError, match=r"pip install 'preceptor\[ray\]'"):
        check_installed()


def test_an_executor_that_nobody_knows_is_refused(judged: Path) -> None:
    process = preceptor("judge", "run.yaml", "--executor", "spark", cwd=judged)
    assert process.returncode == 2
    assert "`spark` is no executor: `local` or `ray` was expected" in process.stderr
