"""What a run shows while it works: a live table on a real terminal, plain lines elsewhere; and what it says last."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pexpect
import pytest

from constitution.progress import Tick
from generate.engine import ModelRef
from pipeline.console import Console
from pipeline.next_steps import most_moved
from pipeline.stage_table import StageRow
from reports.behaviour import BehaviourTable
from tests.reporting import report_data
from tests.runs import command, environment, preceptor, write_run
from tests.test_run import edit

STAGES = ("generate", "judge", "audit", "second-opinion", "label", "train", "behaviour", "report")


@pytest.fixture(scope="module")
def shown(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole run on a terminal, and every byte that it wrote there."""
    folder = tmp_path_factory.mktemp("shown")
    edit(write_run(folder, tiny_model.path), "train:\n", "train:\n  heldout_fraction: 0.4\n")
    words = command("run", "run.yaml")
    environ = {**environment(), "TERM": "xterm", "COLUMNS": "140", "LINES": "50"}
    child = pexpect.spawn(words[0], words[1:], cwd=str(folder), env=environ, encoding="utf-8", timeout=400)
    child.setwinsize(50, 140)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return folder, child.before


def test_a_terminal_shows_every_stage_with_done_rate_remaining_and_tokens(shown: tuple[Path, str]) -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown[1])
    for column in ("stage", "done", "rate", "remaining", "tokens", "time"):
        assert column in text
    assert all(re.search(rf"^ *{stage} +waiting", text, re.MULTILINE) for stage in STAGES[1:])
    assert re.search(r"training +\d+ of \d+ +[\d.]+ a (second|minute) +\d+:\d\d", text)
    assert re.search(r"generate +done +12 of 12 +[\d,]+ +\d+:\d\d", text), "tokens and time of a stage that is done"
    assert "\x1b[?25h" in shown[1], "the cursor is shown again"


def test_elsewhere_lines_are_plain_and_the_last_ones_say_what_to_look_at(shown: tuple[Path, str]) -> None:
    result = preceptor("run", "run.yaml", cwd=shown[0])
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "remaining" not in result.stdout
    last = result.stdout[result.stdout.index("Nothing was recomputed") :]
    assert "report: runs/tiny/90-report.html" in last
    assert "moved most: " in last
    warnings = json.loads((shown[0] / "runs/tiny/50-training.json").read_text())["warnings"]
    assert warnings
    assert f"warnings: {len(warnings)}, in runs/tiny/50-training.json" in last
    assert "preceptor chat run.yaml" in last


def test_elsewhere_work_that_begins_is_a_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    for done in (0, 1, 2, 3, 4):
        console.tick(Tick("answers", done, 4, tokens=7 * done))
    console.tick(Tick("votes", 3, 9, "3 from the store"))
    console.tick(Tick("other", 5, 5))
    assert capsys.readouterr().out == "  answers: 0 of 4\n  votes: 3 of 9  3 from the store\n"


def test_the_behaviour_that_moved_most_is_the_principle_furthest_from_even() -> None:
    table = report_data().behaviour
    moved = [row for row in table.principles if row.outcome in ("intended", "against")]
    distance = {row.id: abs(row.win_rate.estimate - 0.5) for row in moved if row.win_rate}
    principle, sentence = most_moved(table)
    assert principle == max(distance, key=lambda i: distance[i])
    assert f"{principle} (moved" in sentence
    unmoved = [row.model_copy(update={"outcome": "undetected"}) for row in table.principles]
    features = table.model_copy(update={"principles": tuple(unmoved)})
    assert most_moved(features)[1].startswith(tuple(row.label for row in table.features))
    nothing = [row.model_copy(update={"outcome": "undetected"}) for row in table.features]
    still = BehaviourTable.model_copy(features, update={"features": tuple(nothing)})
    assert most_moved(still) == (None, "nothing that could be detected; the report says what would have been")


def test_rate_and_remaining_are_of_what_was_done_freshly() -> None:
    row = StageRow("judge", state="running", began=0.0)
    row.take(Tick("votes", 40, 100), 10.0)
    assert row.cells(10.0)[3:5] == ["", ""], "what came from the store says nothing of the rate"
    row.take(Tick("votes", 60, 100, tokens=500), 20.0)
    assert row.cells(20.0) == ["judge", "votes", "60 of 100", "2.0 a second", "0:20", "500", "0:20"]
    row.take(Tick("more", 1, 2, tokens=7), 30.0)
    assert row.cells(30.0)[5] == "507"
