"""`preceptor compare` on real small runs: from run files and run folders, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from constitution.files import read_records
from generate.engine import ModelRef
from judge.records import Label
from pipeline.run import run_pipeline
from pipeline.stage_behaviour import Comparison
from reports.compare.records import RunsCompared
from tests.browsing import DESK, PHONE, opened, unfold, unreached, violations, wider_than, without_data
from tests.runs import command, environment, preceptor, write_run
from tests.test_run import edit


def go(*arguments: object, cwd: Path) -> str:
    result = preceptor(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def runs(tiny_model: ModelRef, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run; the same with another weight, a new wording and another beta; the same measured on other prompts."""
    folder = tmp_path_factory.mktemp("runs")
    run_file = write_run(folder, tiny_model.path)
    edit(run_file, "second_opinion: {judge: reader, pairs: 3}\n", "")
    run_pipeline(None, run_file, {}, [], folder / "runs")
    for name in ("second", "elsewhere"):
        subprocess.run(["cp", "-a", str(folder / "runs/tiny"), str(folder / "runs" / name)], check=True)
    shutil.copy(folder / "constitution.yaml", folder / "edited.yaml")
    edit(folder / "edited.yaml", "weight: 2", "weight: 5")
    edit(folder / "edited.yaml", "has few vowels", "has few vowels indeed")
    changes = ["constitution=edited.yaml", "train.beta=0.3"]
    run_pipeline(None, run_file, {"name": "second"}, changes, folder / "runs")
    others = (folder / "heldout.jsonl").read_text().replace("What should one know", "What is there to know")
    (folder / "others.jsonl").write_text(others)
    run_pipeline(("behaviour",), run_file, {"name": "elsewhere"}, ["prompts.heldout=others.jsonl"], folder / "runs")
    return folder


def test_three_runs_on_terminal_in_json_csv_and_on_a_page(runs: Path, tmp_path: Path) -> None:
    out = {kind: tmp_path / f"found.{kind}" for kind in ("json", "csv", "html")}
    files = [part for kind, path in out.items() for part in (f"--{kind}", path)]
    said = go("compare", "run.yaml", "runs/second", "runs/elsewhere", *files, cwd=runs)
    found = RunsCompared.model_validate_json(out["json"].read_text())
    second, elsewhere = found.couples
    assert [run.name for run in found.runs] == ["tiny", "second", "elsewhere"]
    assert "train.beta: 0.1 | 0.3 | 0.1" in said
    assert "re-weighted short: 2 -> 5" in said
    assert "win rate under few-vowels: the principle has another meaning in each run" in said
    assert "of 5 held-out prompts of `tiny` and 5 of `elsewhere` none is the same" in said
    assert elsewhere.behaviours == ()
    assert elsewhere.labels is not None
    assert (elsewhere.labels.shared, elsewhere.labels.flips.hits) == (36, 0)
    ours = read_records(runs / "runs/tiny/40-labels.jsonl", Label)
    theirs = {one.pair_key: one for one in read_records(runs / "runs/second/40-labels.jsonl", Label)}
    both = [(one.p, q) for one in ours if one.p is not None and (q := theirs[one.pair_key].p) is not None]
    assert second.labels is not None
    assert (second.labels.flips.n, second.labels.flips.hits) == (
        len(both),
        sum((p > 0.5) != (q > 0.5) for p, q in both),
    )
    with out["csv"].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [row.id for row in second.behaviours]
    assert "preceptor compare" in out["html"].read_text()


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", PHONE)])
def test_everybody_can_read_the_page(browser: Browser, runs: Path, tmp_path: Path, scheme: str, width: int) -> None:
    go("compare", "run.yaml", "runs/second", "runs/elsewhere", "--html", tmp_path / "found.html", cwd=runs)
    with opened(browser, tmp_path / "found.html", scheme=scheme, width=width) as (page, requests, said):
        unfold(page)
        assert violations(page) == []
        assert wider_than(page, width) == []
        assert unreached(page) == []
        assert (len(requests), said) == (1, [])


def test_a_page_has_its_data_beside_it_or_where_they_were_wanted(browser: Browser, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = ["--html", tmp_path / "found.html", "--csv", tmp_path / "other/a b.csv"]
    go("compare", "run.yaml", "runs/second", *files, cwd=runs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.html", "found.json", "other"]
    assert len(RunsCompared.model_validate_json((tmp_path / "found.json").read_text()).runs) == 2
    with opened(browser, tmp_path / "found.html", script=False) as (page, _, _):
        assert without_data(page) == []
        links = {link.get_attribute("href") or "" for link in page.locator("a").all()}
        for link in links:
            file, _, anchor = link.partition("#")
            assert (tmp_path / unquote(file)).is_file() if file else page.locator(f"[id='{anchor}']").count(), link
        assert {"./found.json", "./other/a%20b.csv"} <= links


def test_a_feature_is_what_the_answers_on_the_disk_give(runs: Path, tmp_path: Path) -> None:
    go("compare", "runs/tiny", "runs/second", "--json", tmp_path / "c.json", cwd=runs)
    rows = json.loads((tmp_path / "c.json").read_text())["couples"][0]["behaviours"]
    words = next(row for row in rows if row["id"] == "tokens")
    first, other = (
        [
            row.after.tokens - row.before.tokens
            for row in read_records(runs / "runs" / name / "60-comparisons.jsonl", Comparison)
        ]
        for name in ("tiny", "second")
    )
    assert words["difference"]["estimate"] == pytest.approx(sum(other) / len(other) - sum(first) / len(first))
    assert words["difference"]["n"] == 5


def test_it_writes_nothing_and_needs_no_torch(runs: Path, tmp_path: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in (runs / "runs").rglob("*"))
    code = (
        "import sys; from pathlib import Path; from pipeline.compared import read_sides; "
        "from reports.compare.analyse import compare_runs; "
        "compare_runs(read_sides([Path('runs/tiny'), Path('runs/second')], Path('runs'))); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([command()[0], "-c", code], cwd=runs, env=environment(), check=True)
    assert sorted((p, p.stat().st_mtime_ns) for p in (runs / "runs").rglob("*")) == before


def test_what_cannot_be_compared_is_one_sentence(runs: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = preceptor("compare", *arguments, cwd=runs)
        assert result.returncode == 2, result.stdout
        assert "Traceback" not in result.stderr
        return result.stderr

    assert "name at least two different runs to compare" in refused("run.yaml", "runs/tiny")
    assert "no config.resolved.json there, so this is no run folder yet" in refused("runs/tiny", tmp_path)
    assert "nowhere.yaml: there is no such file" in refused("runs/tiny", "nowhere.yaml")
    shutil.copytree(runs / "runs/second", tmp_path / "broken")
    (tmp_path / "broken/60-comparisons.jsonl").write_text('{"prompt": 3}\n')
    assert "60-comparisons.jsonl:1:" in refused("runs/tiny", tmp_path / "broken")


def test_a_run_that_is_not_trained_is_compared_as_far_as_it_goes(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "runs/second", tmp_path / "second")
    for name in ("60-comparisons.jsonl", "60-behaviour.json", "50-training.json"):
        (tmp_path / "second" / name).unlink()
    said = go("compare", "runs/second", tmp_path / "second", cwd=runs)
    assert "behaviour is not compared: it is not measured yet in " in said
    assert "it is not trained yet" in said
    assert "0 of 12, 0.0 %" in said
    assert f"{tmp_path / 'second'} (" in said, "two of the same name are told apart by their paths"
