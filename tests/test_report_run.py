"""Stage `report` on a finished run: what it refuses to mix, and what it says of damaged metrics."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from constitution.errors import DataError
from generate.engine import ModelRef
from pipeline.run import STAGES, run_pipeline
from tests.runs import preceptor, write_run
from tests.test_run import edit

RUN = Path("runs") / "tiny"


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_run(folder, tiny_model.path)
    run_pipeline(None, folder / "run.yaml", {}, (), folder / "runs")
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def report(folder: Path, judge: str | None = None, dry_run: bool = False) -> None:
    run_pipeline(("report",), folder / "run.yaml", {"judge": judge}, (), folder / "runs", dry_run)


def test_another_judges_name_on_these_labels_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copied / RUN / "90-report.html"
    before = page.read_bytes()
    with pytest.raises(DataError) as caught:
        report(copied, "reader")
    assert str(caught.value) == (
        "40-labels.jsonl holds labels by another judge than `reader` is now: give the flags that it was made "
        f"with, or run `preceptor run {copied}/run.yaml --runs {copied}/runs` with these first"
    )
    assert page.read_bytes() == before
    report(copied, "reader", dry_run=True)
    assert "report: would run (changed: judge)" in capsys.readouterr().out
    report(copied, "rules")
    assert "report: nothing to do" in capsys.readouterr().out


def test_labels_of_two_judges_are_refused_too(copied: Path) -> None:
    labels = copied / RUN / "40-labels.jsonl"
    *rows, last = labels.read_text(encoding="utf-8").splitlines()
    other = json.dumps(json.loads(last) | {"judge": "another"})
    labels.write_text("\n".join([*rows, other]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds labels by another judge than `rules` is now"):
        report(copied)


@pytest.mark.parametrize("step", ["", '"step": null, ', '"step": true, ', '"step": 1.5, '])
def test_a_line_of_metrics_without_its_step_is_one_error_with_its_place(copied: Path, step: str) -> None:
    metrics = copied / RUN / "metrics.jsonl"
    lines = metrics.read_text(encoding="utf-8").splitlines()
    text = "\n".join([lines[0], "", f'{{{step}"loss": 0.5}}', *lines[1:]]) + "\n"
    metrics.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        report(copied)
    said = str(caught.value)
    assert said.startswith(f"{metrics}:3: a line of metrics needs `step`, a whole number, and this one has none: ")
    assert "\n" not in said
    result = preceptor("trace", "run.yaml", "--principle", "short", cwd=copied)
    assert (result.returncode, result.stderr.count("metrics.jsonl:3:")) == (2, 1)
    assert "Traceback" not in result.stderr


def card_of(folder: Path) -> Path:
    return folder / RUN / "50-policy" / "README.md"


def test_the_models_card_has_the_win_rates_and_no_stage_minds_it(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = card_of(copied)
    text = card.read_text(encoding="utf-8")
    table = json.loads((copied / RUN / "60-behaviour.json").read_text(encoding="utf-8"))
    for row in table["principles"]:
        rate = row["win_rate"]
        assert f"| {row['id']} | {100 * rate['estimate']:.1f} % | " in text
        assert f" | {rate['n']} | {row['comparisons']} | " in text
    card.write_text(text + "\n## My notes\n", encoding="utf-8")
    capsys.readouterr()
    run_pipeline(None, copied / "run.yaml", {}, (), copied / "runs")
    said = capsys.readouterr().out
    assert said.count("nothing to do") == len(STAGES) - 1, "all but `trace`"
    assert card.read_text(encoding="utf-8") == text + "\n## My notes\n"


def test_trained_again_to_the_same_weights_it_has_them_still(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = card_of(copied).read_text(encoding="utf-8")
    shutil.rmtree(copied / RUN / "50-policy")
    run_pipeline(None, copied / "run.yaml", {}, (), copied / "runs")
    said = capsys.readouterr().out
    assert "train: missing: model.safetensors" in said
    assert "behaviour: nothing to do" in said
    assert card_of(copied).read_text(encoding="utf-8") == text


def test_another_model_has_no_win_rates_before_they_are_measured(copied: Path) -> None:
    run_pipeline(("train",), copied / "run.yaml", {}, ("train.epochs=1",), copied / "runs")
    text = card_of(copied).read_text(encoding="utf-8")
    assert "Not measured yet: `preceptor behaviour` writes here" in text
    run_pipeline(("behaviour",), copied / "run.yaml", {}, ("train.epochs=1",), copied / "runs")
    assert "Not measured yet" not in card_of(copied).read_text(encoding="utf-8")


def test_a_policy_of_other_labels_is_said_on_the_page_and_by_compare(copied: Path) -> None:
    """As `label` and `report` leave it after an edit, without `train` between them."""
    shutil.copytree(copied / RUN, copied / "runs/before")
    run_pipeline(None, copied / "run.yaml", {}, (), copied / "runs")
    assert "was trained with other labels" not in (copied / RUN / "90-report.html").read_text(encoding="utf-8")
    edit(copied / "constitution.yaml", "weight: 2", "weight: 5")
    run_pipeline(("label",), copied / "run.yaml", {}, (), copied / "runs")
    done = preceptor("report", "run.yaml", cwd=copied)
    assert done.returncode == 0, done.stderr
    said = "the policy was trained with other labels than 40-labels.jsonl has now"
    assert said in done.stdout
    assert said in (copied / RUN / "90-report.html").read_text(encoding="utf-8")
    compared = preceptor("compare", "runs/before", RUN, cwd=copied)
    assert said in compared.stdout
    followed = preceptor("trace", "run.yaml", "--principle", "short", cwd=copied)
    assert said in followed.stdout


def test_a_behaviour_of_another_policy_is_said(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_pipeline(("train",), copied / "run.yaml", {}, ("train.epochs=1",), copied / "runs")
    capsys.readouterr()
    run_pipeline(("report",), copied / "run.yaml", {}, ("train.epochs=1",), copied / "runs")
    assert "60-behaviour.json was measured with another policy than 50-policy has now" in capsys.readouterr().out
