"""The report of a run of several thousand pairs and steps: what it draws, thins and counts."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.labelling import preceptor
from benchmarks.report_world import make_run
from constitution.read_json import json_lines
from pipeline import report_pairs
from pipeline.opened import opened_run
from pipeline.stage_report import report_data
from reports.thinned import MOST_ROWS

PAIRS = 4800


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its run file."""
    folder = tmp_path_factory.mktemp("large")
    make_run(folder, PAIRS, principles=3)
    preceptor("report", folder)
    return folder


def test_a_long_training_is_shown_in_few_rows(large: Path) -> None:
    steps = list(json_lines(large / "runs/bench/metrics.jsonl"))
    assert len(steps) > MOST_ROWS
    with opened_run(large / "run.yaml", {}, [], large / "runs") as run:
        shown = report_data(run).training
    assert len(shown) <= 2 * MOST_ROWS
    assert sum(int(str(row.get("steps", 1))) for row in shown) == len(steps)


def test_what_ifs_of_many_pairs_are_of_whole_prompts_drawn_by_key(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pairs, "MAP_PAIRS", 1500)
    with opened_run(large / "run.yaml", {}, [], large / "runs") as run:
        data, pairs = report_data(run), list(run.pairs())
        whole = Counter(pair.prompt.key for pair in pairs)
        drawn = {key for key in whole if report_pairs.is_drawn(key, 1500 / PAIRS)}
    assert 1200 < sum(whole[key] for key in drawn) == data.conflicts.pairs < 1800
    assert data.conflicts.prompts == len(drawn)
    assert data.labels.pairs == PAIRS
    assert sum(row.valid for row in data.labels.principles) == 3 * PAIRS


def test_the_votes_are_counted_alike_with_and_without_the_judges_account(large: Path) -> None:
    with opened_run(large / "run.yaml", {}, [], large / "runs") as run:
        counted = report_pairs.vote_states(run)
        account = json.loads(run.folder.vote_counts.read_text())
        del account["count"]["by_principle"]
        before = run.folder.vote_counts.read_bytes()
        run.folder.vote_counts.write_text(json.dumps(account))
        assert report_pairs.vote_states(run) == counted
        run.folder.vote_counts.write_bytes(before)


def test_the_twins_have_the_same_figures(large: Path) -> None:
    run = large / "runs/bench"
    data = json.loads((run / "90-report.json").read_text(encoding="utf-8"))
    with (run / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["pivotal"]) for row in rows] == [row["pivotal"] for row in data["labels"]["principles"]]
