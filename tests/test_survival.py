"""The survival benchmark in short: real kills in the stages that no other test kills, and that it would see a loss."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.artefacts import artefacts, differences, rows
from benchmarks.survival import BATCH_IN_FLIGHT
from benchmarks.survival_child import POINTS, Kill
from benchmarks.survival_kills import (
    COMMANDS,
    RUN,
    VOTES,
    Undisturbed,
    call,
    choose_kill,
    survive,
    undisturbed,
    whole_run,
)
from generate.engine import ModelRef


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_run(tmp_path_factory.mktemp("finished"), tiny_model.path)


@pytest.fixture(scope="module")
def calm_judge(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed("judge", finished, tmp_path_factory.mktemp("judge"))


# Training: tests/test_train_resume.py. Moments by the clock: `make survival`.
@pytest.mark.parametrize("stage", ["generate", "label", "report"])
def test_a_stage_that_was_killed_ends_as_if_nothing_had_happened(stage: str, finished: Path, tmp_path: Path) -> None:
    calm = undisturbed(stage, finished, tmp_path)
    for kind in ("before rename", "after rename"):
        seed = next(s for s in range(100) if choose_kill(s, calm).kind == kind)
        kill = choose_kill(seed, calm)
        assert survive(stage, calm, [kill], tmp_path / kind) == ((kill,), 0, 0, 0, 0, [], "")


@pytest.mark.parametrize(
    ("kills", "again"),
    [
        ([Kill("after commit", 2)], 0),
        # The third principle applies to every second prompt.
        ([Kill("before commit", 2)], BATCH_IN_FLIGHT - 2),
        ([Kill("tick", 1), Kill("before commit", 1)], BATCH_IN_FLIGHT - 2),
    ],
    ids=["committed", "answered", "killed twice"],
)
def test_a_judge_that_was_killed_asks_the_batch_in_flight_again_and_nothing_else(
    calm_judge: Undisturbed, tmp_path: Path, kills: list[Kill], again: int
) -> None:
    survived = survive("judge", calm_judge, kills, tmp_path / "case")
    assert survived == (tuple(kills), 0, 0, again, 0, [], "")


def test_every_kind_of_point_is_drawn_and_seeds_are_reproducible(calm_judge: Undisturbed) -> None:
    drawn = [choose_kill(seed, calm_judge) for seed in range(20)]
    assert {kill.kind for kill in drawn} == {"moment", *POINTS}
    assert drawn == [choose_kill(seed, calm_judge) for seed in range(20)]
    assert calm_judge.asked == len(rows(calm_judge.start.parent / "calm" / VOTES))


def test_a_lost_vote_a_torn_file_and_a_leftover_would_be_seen(calm_judge: Undisturbed) -> None:
    run = calm_judge.start.parent / "calm" / RUN
    assert differences(calm_judge.found, artefacts(run)) == []
    with closing(sqlite3.connect(run / "30-votes.sqlite")) as db, db:
        key, body, crc = db.execute("SELECT * FROM records LIMIT 1").fetchone()
        db.execute("DELETE FROM records WHERE key = ?", (key,))
    assert differences(calm_judge.found, artefacts(run)) == ["30-votes.sqlite"]
    with closing(sqlite3.connect(run / "30-votes.sqlite")) as db, db:
        db.execute("INSERT INTO records VALUES (?, ?, ?)", (key, body, crc))
    pairs, account = run / "20-pairs.jsonl", run / "30-votes.json"
    whole, counted = pairs.read_bytes(), account.read_text()
    pairs.write_bytes(whole[:-1])
    account.write_text(json.dumps(json.loads(counted) | {"states": {}}))
    (run / ".90-report.html.7.tmp").write_text("half")
    assert differences(calm_judge.found, artefacts(run)) == [
        ".90-report.html.7.tmp",
        "20-pairs.jsonl",
        "30-votes.json",
    ]
    pairs.write_bytes(whole)
    account.write_text(counted)
    (run / ".90-report.html.7.tmp").unlink()


def test_the_lock_of_a_killed_process_is_taken_over(calm_judge: Undisturbed, tmp_path: Path) -> None:
    """It still names the dead process; the kernel has let go of it."""
    folder = Path(shutil.copytree(calm_judge.start, tmp_path / "run"))
    assert call(folder, COMMANDS["judge"], Kill("tick", 2)).code == -signal.SIGKILL
    dead = (folder / RUN / ".lock").read_text()
    assert dead.isdigit()
    assert call(folder, COMMANDS["judge"], None).code == 0
    assert (folder / RUN / ".lock").read_text() != dead


TIMED = ("30-second-opinion.json", "35-audit.json", "90-report.json")
TIMES = {"seconds", "seconds_per_vote", "peak_mib", "started", "finished", "paces"}
"""What the report says of the run itself."""


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def test_a_whole_run_in_another_folder_leaves_the_same(finished: Path, tiny_model: ModelRef, tmp_path: Path) -> None:
    """But for how long it took: in three JSON files, on the pages, and in the digests of the report's inputs."""
    again = whole_run(tmp_path / "elsewhere", tiny_model.path)
    differing = set(differences(artefacts(finished / RUN), artefacts(again / RUN)))
    assert differing <= {*TIMED, "35-audit.html", "90-report.html", ".stamps/report.json"}
    for name in TIMED:
        one, other = (without_times(json.loads((folder / RUN / name).read_text())) for folder in (finished, again))
        assert one == other
