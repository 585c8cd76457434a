"""`preceptor ablate` on a whole small run, with the real command line: what it trains, keeps, says, and survives."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from constitution.errors import ConfigError, DataError
from constitution.files import read_records
from constitution.store import Store
from generate.engine import ModelRef
from judge.label_sets import real_set, training_labels
from judge.records import Label
from pipeline.ablation_answers import answer_plan, measured, sampled_answers
from pipeline.ablation_store import read_retrained
from pipeline.command_ablate import Wanted, run_ablation
from pipeline.console import Console
from pipeline.context import Run
from pipeline.load import load_run
from pipeline.opened import folder_of
from pipeline.run import run_pipeline
from reports.ablation.records import AblationReport, Retrained
from tests.runs import command, preceptor, write_run
from tests.test_run import edit, killed_when, rows_in, votes_in

HELD_OUT = "train:\n  heldout_fraction: 0.4\n"
PLAIN = Wanted(seeds=1, subsets=0, without=(), controls=True, answers=0, json=None)
OPTIONS = ("--seeds", 2, "--subsets", 9)


@pytest.fixture(scope="module")
def trained(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run_file = write_run(folder, tiny_model.path)
    edit(run_file, "train:\n", HELD_OUT)
    for name in ("generate", "judge", "label", "train"):
        result = preceptor(name, "run.yaml", cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def ablated(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with an undisturbed ablation."""
    folder = copy_of(trained, tmp_path_factory.mktemp("ablated"))
    result = preceptor("ablate", "run.yaml", *OPTIONS, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", f"{folder}/.", str(to)], check=True)
    return to


def opened(folder: Path) -> Run:
    config = load_run(folder / "run.yaml", {})
    return Run(config, folder, folder_of(config, folder / "run.yaml", folder / "runs"), Console())


def report_of(folder: Path) -> AblationReport:
    return AblationReport.model_validate_json((folder / "runs/tiny/70-ablation.json").read_text(encoding="utf-8"))


def figures(found: list[Retrained]) -> list[dict[str, object]]:
    return [one.model_dump(exclude={"seconds"}) for one in found]


def ablate(folder: Path, wanted: Wanted = PLAIN, dry: bool = False, settings: tuple[str, ...] = ()) -> None:
    run_ablation(folder / "run.yaml", {}, settings, folder / "runs", wanted, dry)


def test_the_report_rests_on_every_subset_at_every_seed(ablated: Path) -> None:
    """Three principles have six proper subsets: the three of two, and the three that are drawn."""
    report = report_of(ablated)
    assert report.seeds == (3, 4)
    assert report.shapley.method == "exact"
    assert report.shapley.sets == 8
    assert {cell.left_out for cell in report.cells} == {("short",), ("few-vowels",), ("no-repetition",)}
    assert all(cell.effect.seeds == 2 and cell.effect.prompts <= 5 for cell in report.cells)
    assert all("no detectable effect; one of at least" in cell.verdict or cell.outcome != "undetected"
               or cell.effect.detectable is None for cell in report.cells)  # fmt: skip
    assert {control.kind for control in report.controls} == {"sham", "duplicate"}
    for name in ("70-ablation.html", "70-ablation.csv", "70-ablation.sqlite"):
        assert (ablated / "runs/tiny" / name).stat().st_size > 0


def test_the_runs_own_labels_give_the_runs_own_margin(ablated: Path) -> None:
    found = report_of(ablated).reproduced
    summary = json.loads((ablated / "runs/tiny/50-training.json").read_text(encoding="utf-8"))
    assert found.margin_of_run == summary["heldout"]["margin"]
    assert found.same is True
    assert found.margin_again == pytest.approx(found.margin_of_run, rel=1e-6)


def test_effects_and_credit_add_up(ablated: Path) -> None:
    """Recomputed from the stored retrainings: an effect is a difference of means, Shapley values share the whole."""
    run, report = opened(ablated), report_of(ablated)
    labels = {label.pair_key: label for label in read_records(run.folder.labels, Label)}
    found = read_retrained(run)

    def margin(principle: str, *dropped: str) -> float:
        kept = {i: w for i, w in real_set(run.constitution).weights.items() if i not in dropped}
        means = []
        for one in found:
            if one.label_set.weights == kept and not one.label_set.planted:
                votes = [(key, share) for key in one.h for share in labels[key].shares if share.principle == principle]
                means.append(sum((2 * share.p - 1) * one.h[key] for key, share in votes) / len(votes))
        assert len(means) == 2
        return sum(means) / 2

    for cell in (cell for cell in report.cells if ":" not in cell.behaviour):
        assert cell.effect.estimate == pytest.approx(margin(cell.behaviour) - margin(cell.behaviour, *cell.left_out))
    for behaviour in ("short", "few-vowels", "no-repetition"):
        shared = sum(one.effect.estimate for one in report.shapley.values if one.behaviour == behaviour)
        everything = run.constitution.principles
        assert shared == pytest.approx(margin(behaviour) - margin(behaviour, *(p.id for p in everything)), abs=1e-6)


def test_the_store_says_which_labels_were_trained_on(ablated: Path) -> None:
    run = opened(ablated)
    found = read_retrained(run)
    labels = [label for label in read_records(run.folder.labels, Label) if label.p is not None]
    assert {one.seed for one in found} == {3, 4}
    for one in found:
        again = training_labels(labels, run.constitution, one.label_set)
        assert set(one.h) < set(again)
        assert not one.answers
    untrained = [one for one in found if not one.label_set.weights]
    assert untrained
    assert all(abs(h) < 1e-4 for one in untrained for h in one.h.values())


def test_a_second_call_trains_nothing_and_another_plan_only_what_is_new(
    ablated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(ablated, tmp_path)
    page = (folder / "runs/tiny/70-ablation.html").read_bytes()
    ablate(folder, Wanted(2, 9, (), True, 0, None))
    said = capsys.readouterr().out
    assert "20 different retrainings, 20 stored, 0 to do" in said
    assert "loading" not in said
    assert (folder / "runs/tiny/70-ablation.html").read_bytes() == page
    ablate(folder, PLAIN._replace(json=tmp_path / "elsewhere.json"))
    said = capsys.readouterr().out
    assert "6 different retrainings, 6 stored, 0 to do" in said
    assert AblationReport.model_validate_json((tmp_path / "elsewhere.json").read_bytes()).seeds == (3,)
    ablate(folder, PLAIN._replace(without=("no-repetition+short",), seeds=3, controls=False), dry=True)
    assert "6 different retrainings, 4 stored, 2 to do" in capsys.readouterr().out


def test_kill_9_in_the_middle_costs_one_retraining(trained: Path, ablated: Path, tmp_path: Path) -> None:
    folder = copy_of(trained, tmp_path)
    store = folder / "runs/tiny/70-ablation.sqlite"
    arguments = command("ablate", "run.yaml", *OPTIONS)
    code = killed_when(lambda: rows_in(store) >= 6, arguments, folder, signal.SIGKILL)
    assert code == -signal.SIGKILL
    before = votes_in(store)
    assert 6 <= len(before) < len(votes_in(ablated / "runs/tiny/70-ablation.sqlite"))
    result = preceptor("ablate", "run.yaml", *OPTIONS, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert f"{len(before)} stored" in result.stdout
    assert before.items() <= votes_in(store).items(), "nothing is trained twice"
    assert figures(read_retrained(opened(folder))) == figures(read_retrained(opened(ablated)))
    assert report_of(folder).model_dump(exclude={"seconds"}) == report_of(ablated).model_dump(exclude={"seconds"})


def test_sampled_answers_are_behaviours_too(trained: Path, tmp_path: Path) -> None:
    """Killed while a policy is put before the engine: the copy on disk goes, and the figures are the policy's."""
    folder = copy_of(trained, tmp_path)
    run = folder / "runs/tiny"
    options = ("--answers", 3, "--without", "short", "--no-controls")

    def copied() -> bool:
        return any(run.glob(".retrained-*/*.safetensors"))

    assert killed_when(copied, command("ablate", "run.yaml", *options), folder, signal.SIGKILL) == -signal.SIGKILL
    assert copied()
    result = preceptor("ablate", "run.yaml", *options, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert not list(run.glob(".retrained-*"))
    report = report_of(folder)
    assert {behaviour.kind for behaviour in report.behaviours} == {"margin", "check", "feature"}
    words = [cell for cell in report.cells if cell.behaviour == "feature:words"]
    assert [(cell.effect.prompts, cell.effect.pairs) for cell in words] == [(3, 6)]
    scoped = [cell for cell in report.cells if cell.behaviour == "check:no-repetition"]
    assert [cell.effect.prompts for cell in scoped] == [1]
    # The retraining on the run's own labels is the run's own policy, so its words are what that policy says.
    with Store(run / "70-ablation.sqlite", Retrained) as store:
        kept = [one for one in store.everything().values() if one.sampled and len(one.label_set.weights) == 3]
    again = opened(folder)
    plan = answer_plan(again, 3)
    assert plan is not None
    engine = again.engine("embedded", again.model(str(again.folder.policy)))
    wanted = measured(again.constitution, plan.prompts, sampled_answers(engine, plan, 4))
    again.close_engines()
    assert [one.answers for one in kept] == [wanted]


def test_a_dry_run_trains_nothing_and_says_what_it_would(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(trained, tmp_path)
    ablate(folder, PLAIN._replace(seeds=2), dry=True)
    said = capsys.readouterr().out
    assert "6 label sets x 2 seeds: no judge is asked; 12 labelled pairs, 5 of them held out" in said
    assert "all: 0 labels change (0 of them side), 0 vanish: the run's own labels" in said
    assert "12 different retrainings, 0 stored, 12 to do" in said
    assert "at most about" in said
    assert not (folder / "runs/tiny/70-ablation.sqlite").exists()


def test_mistakes_are_named_and_cost_nothing(trained: Path, tmp_path: Path) -> None:
    folder = copy_of(trained, tmp_path)
    with pytest.raises(ConfigError, match=r"`few-vowel` is no principle .* did you mean `few-vowels`"):
        ablate(folder, PLAIN._replace(without=("few-vowel+short",)))
    with pytest.raises(DataError, match=r"with other settings .*train.learning_rate 0\S+\).* run `preceptor train \S"):
        ablate(folder, settings=("train.learning_rate=0.02",))
    (folder / "runs/tiny/50-training.json").rename(tmp_path / "training.json")
    with pytest.raises(DataError, match=r"run `preceptor run \S+run.yaml"):
        ablate(folder)
    edit(folder / "constitution.yaml", "weight: 2", "weight: 5")
    with pytest.raises(DataError, match="labels were made under another constitution"):
        ablate(folder)


def test_a_new_training_leaves_the_old_retrainings_aside(ablated: Path, tmp_path: Path) -> None:
    folder = copy_of(ablated, tmp_path)
    run_pipeline(("train",), folder / "run.yaml", {}, ("train.epochs=1",), folder / "runs")
    assert read_retrained(opened(folder)) == []


def test_with_nothing_held_out_there_is_nothing_to_compare(trained: Path, tmp_path: Path) -> None:
    folder, settings = copy_of(trained, tmp_path), ("train.epochs=1", "train.heldout_fraction=0")
    run_pipeline(("train",), folder / "run.yaml", {}, settings, folder / "runs")
    with pytest.raises(DataError, match=r"no margins to compare: set `train.heldout_fraction` above 0"):
        ablate(folder, settings=settings)
    assert not (folder / "runs/tiny/70-ablation.sqlite").exists()


def test_early_stop_is_kept_to(tiny_model: ModelRef, tmp_path: Path) -> None:
    """The retrainings end where the run's kept weights were, and give its margin."""
    run_file = write_run(tmp_path, tiny_model.path)
    edit(run_file, "train:\n", HELD_OUT + "  early_stop: {patience: 1, min_delta: 1000}\n")
    for name in ("generate", "judge", "label", "train"):
        run_pipeline((name,), run_file, {}, (), tmp_path / "runs")
    summary = json.loads((tmp_path / "runs/tiny/50-training.json").read_text(encoding="utf-8"))
    assert summary["kept_step"] < summary["steps"]
    ablate(tmp_path, PLAIN._replace(without=("short",), controls=False))
    report = report_of(tmp_path)
    assert report.steps == summary["kept_step"]
    assert report.reproduced.same is True


def test_the_store_is_plain_sqlite(ablated: Path) -> None:
    with sqlite3.connect(f"file:{ablated / 'runs/tiny/70-ablation.sqlite'}?mode=ro", uri=True) as db:
        rows = db.execute("select json_extract(body, '$.seed'), count(*) from records group by 1").fetchall()
    assert [seed for seed, _ in rows] == [3, 4]
