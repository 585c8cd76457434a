"""The stage `trace`, the frontier and predicted answers on a whole small run, against what the commands say alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser

from generate.engine import ModelRef
from pipeline.behaviour_effects import BehaviourEffects, behaviour_lines
from pipeline.opened import opened_run
from pipeline.stage_trace import _frontier, summary_lines
from pipeline.trace_fidelity import missed
from pipeline.tracing import opened_trace
from reports.trace.records import Moved, TraceReport, WhatIf
from tests.browsing import DESK, PHONE, opened, unfold, violations, wider_than
from tests.runs import preceptor, write_run
from tests.test_run import edit

RUN = Path("runs/tiny")
AXES = {"short": "brevity", "few-vowels": "sound", "no-repetition": "sound"}


@pytest.fixture(scope="module")
def traced(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a trace in its report."""
    folder = tmp_path_factory.mktemp("traced")
    run_file = write_run(folder, tiny_model.path)
    edit(run_file, "train:\n", "trace: {answers: 3, dial: 'brevity:sound'}\ntrain:\n  heldout_fraction: 0.4\n")
    for principle, axis in AXES.items():
        edit(folder / "constitution.yaml", f"  - id: {principle}\n", f"  - id: {principle}\n    axis: {axis}\n")
    result = preceptor("run", "run.yaml", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def report(traced: Path) -> TraceReport:
    return TraceReport.model_validate_json((traced / RUN / "65-trace.json").read_text(encoding="utf-8"))


def asked(folder: Path, *arguments: object) -> dict[str, Any]:
    """A command's `--json`."""
    out = folder / "asked.json"
    result = preceptor(*arguments, "--json", out, cwd=folder)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_it_says_what_the_commands_say(traced: Path, report: TraceReport) -> None:
    assert list(report.behaviours) == list(AXES)
    one = Moved.model_validate(asked(traced, "trace", "run.yaml", "--behaviour", "short"))
    assert report.behaviours["short"] == one
    (without,) = [row for row in report.without if row.principle == "short"]
    predicted = WhatIf.model_validate(asked(traced, "whatif", "run.yaml", "--drop", "short"))
    assert without.behaviours == predicted.behaviours
    assert (without.changed, without.flipped, without.vanished) == (
        predicted.changed,
        predicted.flipped,
        predicted.vanished,
    )


def test_the_answers_are_those_that_rose_most_and_their_parts_add_up(report: TraceReport) -> None:
    assert len(report.answers) == 3
    gains = [one.moved.measured.estimate / one.tokens for one in report.answers]
    assert gains == sorted(gains, reverse=True)
    for one in report.answers:
        parts = sum(part.contribution.estimate for part in one.moved.principles)
        assert parts == pytest.approx(one.moved.explained, abs=1e-9)
        assert {part.pair for part in (*one.moved.raised, *one.moved.lowered)} <= report.shown.keys()


def test_an_answer_alone_is_traced_alike(traced: Path, report: TraceReport) -> None:
    one = report.answers[0]
    rows = (traced / RUN / "60-comparisons.jsonl").read_text(encoding="utf-8").splitlines()
    finish = next(row["after"]["finish"] for row in map(json.loads, rows) if row["after"]["text"] == one.text)
    asked_for = {"prompt": one.conversation[0].content, "response": one.text, "finished": finish != "length"}
    (traced / "answer.json").write_text(json.dumps(asked_for), encoding="utf-8")
    alone = Moved.model_validate(asked(traced, "trace", "run.yaml", "--response", "answer.json"))
    assert alone.measured.estimate == pytest.approx(one.moved.measured.estimate, abs=1e-4)
    assert alone.explained == pytest.approx(one.moved.explained, abs=1e-4)


def test_the_page_answers_who_taught_it_that(traced: Path, report: TraceReport) -> None:
    page = (traced / RUN / "90-report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="trace"') :]
    section = section[: section.index("</section>")]
    assert "Answers that training made likelier most" in section
    assert "Brevity against sound" in section
    for one in report.answers:
        assert one.moved.principles[0].principle in section
        for part in one.moved.raised[:3]:
            assert part.pair[:12] in section
    rows = (traced / RUN / "trace.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 2 * len(AXES) ** 2
    assert len((traced / RUN / "frontier.csv").read_text(encoding="utf-8").splitlines()) == 1 + 5


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", PHONE)])
def test_everybody_can_read_it(browser: Browser, traced: Path, scheme: str, width: int) -> None:
    with opened(browser, traced / RUN / "90-report.html", scheme=scheme, width=width) as (page, requests, said):
        unfold(page)
        assert violations(page) == []
        assert wider_than(page, width) == []
        assert page.locator("#trace figure figcaption a[href='trace.csv']").count() > 0
        assert (len(requests), said) == (1, [])


def test_the_frontiers_middle_is_the_run_and_its_ends_lack_an_axis(traced: Path, report: TraceReport) -> None:
    assert report.frontier is not None
    middle, first_end = report.frontier.points[2], report.frontier.points[0]
    moved = report.behaviours["short"]
    assert middle.t == 0.5
    assert middle.predicted_first.estimate == pytest.approx(moved.measured.estimate, abs=1e-6), "h begins at 0"
    dropped = asked(traced, "whatif", "run.yaml", "--drop", "few-vowels", "--drop", "no-repetition")
    (short,) = [one for one in dropped["behaviours"] if one["principle"] == "short"]
    assert first_end.predicted_first.estimate == pytest.approx(short["then"], abs=1e-6)


def test_a_dial_that_cannot_be_turned_costs_the_frontier_alone(traced: Path) -> None:
    with opened_run(traced / "run.yaml", {}, [], traced / "runs") as run:
        seen = opened_trace(run)
        silent = seen.heldout._replace(lean_J_K=torch.full_like(seen.heldout.lean_J_K, torch.nan))
        found, why = _frontier(run, seen._replace(heldout=silent), missed(run, seen))
    assert (found, why) == (None, "axis `brevity`: none of its principles has an opinion on any held-out pair")
    said = summary_lines(TraceReport(no_frontier=why))
    assert f"no frontier along the dial: {why}" in said


def test_retrained_positions_stand_beside_the_predicted(traced: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", f"{traced}/.", str(tmp_path)], check=True)
    result = preceptor(
        "ablate", "run.yaml", "--without", "short", "--no-controls", "--dial", "brevity:sound", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    found = asked(tmp_path, "conflicts", "run.yaml", "--dial", "brevity:sound")["frontier"]
    for point in found["points"]:
        assert point["retrained_first"] is not None
        assert point["retrained_second"] is not None
    middle = found["points"][2]
    assert middle["retrained_first"]["estimate"] == pytest.approx(middle["predicted_first"]["estimate"], abs=1e-5)
    again = preceptor("run", "run.yaml", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "trace: changed: ablation" in again.stdout


def test_no_change_of_the_constitution_changes_no_answer(traced: Path) -> None:
    found = asked(traced, "whatif", "run.yaml", "--weight", "short=2", "--answers")
    assert {one["behaviour"] for one in found["answers"]} >= {"check:short", "feature:words"}
    assert all(one["change"]["estimate"] == 0 for one in found["answers"])
    moved = asked(traced, "whatif", "run.yaml", "--drop", "short", "--answers")
    assert any(one["change"]["estimate"] for one in moved["answers"])


def test_a_diff_foretells_the_behaviour(traced: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_bytes((traced / "constitution.yaml").read_bytes())
    edit(new, "weight: 2", "weight: 5")
    done = preceptor("constitution", "diff", "constitution.yaml", new, "--run", "run.yaml", "--json", cwd=traced)
    assert done.returncode == 0, done.stderr
    foretold = json.loads(done.stdout)["behaviour"]["predicted"]
    wanted = asked(traced, "whatif", "run.yaml", "--constitution", new)
    assert foretold["behaviours"] == wanted["behaviours"]
    assert any(one["change"]["estimate"] for one in foretold["behaviours"])


def said_and_foretold(folder: Path, new: Path) -> tuple[str, dict[str, Any]]:
    """What a diff says of the behaviour: to a reader, and as data."""
    done = preceptor("constitution", "diff", "constitution.yaml", new, "--run", "run.yaml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["behaviour"]
    return "\n".join(behaviour_lines(BehaviourEffects.model_validate(found))), found


def edited(folder: Path, to: Path, old: str, new: str) -> Path:
    to.write_bytes((folder / "constitution.yaml").read_bytes())
    edit(to, old, new)
    return to


def test_of_a_principle_that_is_not_judged_a_diff_foretells_nothing_but_what_would_be(
    traced: Path, tmp_path: Path
) -> None:
    """Two suppositions: as before, which is the run itself; and without, which is what `whatif --drop` says."""
    said, found = said_and_foretold(traced, edited(traced, tmp_path / "new.yaml", "is short.", "is brief."))
    assert said.startswith("behaviour: not predicted: `short` is not judged in its new wording\n")
    assert found["predicted"] is None
    as_before, without = found["supposed"]
    assert as_before["supposing"] == "`short` voted as before the edit"
    assert (as_before["predicted"]["changed"], as_before["predicted"]["unjudged"]) == (0, [])
    assert all(one["change"]["estimate"] == 0 for one in as_before["predicted"]["behaviours"])
    assert without["supposing"] == "`short` had no say where not judged"
    assert without["predicted"]["unjudged"] == ["short"]
    assert without["predicted"]["behaviours"] == asked(traced, "whatif", "run.yaml", "--drop", "short")["behaviours"]


def test_a_new_principle_has_no_votes_to_suppose(traced: Path, tmp_path: Path) -> None:
    extra = "principles:\n  - {id: extra, text: It is new., check: {type: words, max: 3}}\n"
    said, found = said_and_foretold(traced, edited(traced, tmp_path / "new.yaml", "principles:\n", extra))
    assert "not predicted: `extra` is new and not judged\n" in said
    (only,) = found["supposed"]
    assert only["supposing"] == "`extra` had no say where not judged"
    assert only["predicted"]["changed"] == 0


def test_a_principle_without_weight_needs_no_votes(traced: Path, tmp_path: Path) -> None:
    extra = "principles:\n  - {id: extra, text: It is new., weight: 0, check: {type: words, max: 3}}\n"
    said, found = said_and_foretold(traced, edited(traced, tmp_path / "new.yaml", "principles:\n", extra))
    assert said.startswith("behaviour, predicted for ")
    assert found["predicted"]["changed"] == 0


def test_a_scope_is_part_of_the_prediction(traced: Path, tmp_path: Path) -> None:
    """Narrowed to no prompt, a principle is as good as dropped."""
    said, found = said_and_foretold(traced, edited(traced, tmp_path / "new.yaml", "[ask]", "[none]"))
    dropped = asked(traced, "whatif", "run.yaml", "--drop", "no-repetition")
    assert found["predicted"]["changed"] == dropped["changed"] > 0
    assert [one["then"] for one in found["predicted"]["behaviours"]] == [one["then"] for one in dropped["behaviours"]]
    assert f"labels of the {dropped['pairs']} pairs trained on (the selection of pairs is not redone): " in said


def test_a_wording_that_the_store_has_votes_on_is_predicted(traced: Path, tmp_path: Path) -> None:
    """Judged under the new text once, then back."""
    subprocess.run(["cp", "-a", f"{traced}/.", str(tmp_path)], check=True)
    old, law = (tmp_path / "constitution.yaml").read_bytes(), tmp_path / "constitution.yaml"
    edit(law, "is short.", "is brief.")
    new = tmp_path / "new.yaml"
    new.write_bytes(law.read_bytes())
    assert preceptor("judge", "run.yaml", cwd=tmp_path).returncode == 0
    law.write_bytes(old)
    for stage in ("judge", "label"):
        assert preceptor(stage, "run.yaml", cwd=tmp_path).returncode == 0
    _, found = said_and_foretold(tmp_path, new)
    assert found["supposed"] == []
    assert (found["predicted"]["unjudged"], found["predicted"]["changed"]) == ([], 0), "the check is the same"


def test_a_run_that_cannot_be_traced_says_why(traced: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", f"{traced}/.", str(tmp_path)], check=True)
    subprocess.run(["rm", "-r", RUN / "50-policy", RUN / "50-recording"], cwd=tmp_path, check=True)
    result = preceptor("run", "run.yaml", "--set", "train.trace=null", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "no trace: " in result.stdout
    page = (tmp_path / RUN / "90-report.html").read_text(encoding="utf-8")
    assert "left no recording of its training" in page
