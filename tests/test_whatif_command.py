"""`preceptor whatif` and the gradient threads of `preceptor trace` on a whole small run, through the command line."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from constitution.errors import ConfigError, DataError
from constitution.files import read_records
from generate.engine import ModelRef
from judge.records import Label
from pipeline.ablation_store import read_retrained
from pipeline.command_trace import run_trace
from pipeline.command_whatif import run_whatif
from pipeline.console import Console
from pipeline.context import Run
from pipeline.load import load_run
from pipeline.opened import folder_of
from reports.ablation.records import Retrained
from reports.trace.records import Moved, WhatIf
from tests.runs import preceptor, write_run
from tests.test_run import edit

HELD_OUT = "train:\n  heldout_fraction: 0.4\n"
FOURTH = """\
  - id: many-e
    text: The answer has many an e.
    weight: 1.5
    check: {type: pattern, pattern: "e", scale: 4}
"""
WEIGHTS = {"short": 2.0, "few-vowels": 1.0, "no-repetition": 1.0, "many-e": 1.5}
RUN = Path("runs/tiny")


@pytest.fixture(scope="module")
def trained(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run of four principles that holds pairs out."""
    folder = tmp_path_factory.mktemp("trained")
    run_file = write_run(folder, tiny_model.path)
    with (folder / "constitution.yaml").open("a", encoding="utf-8") as stream:
        stream.write(FOURTH)
    edit(run_file, "train:\n", HELD_OUT)
    for name in ("generate", "judge", "label", "train"):
        result = preceptor(name, "run.yaml", cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def followed(trained: Path) -> str:
    """What the first `whatif` on the run printed: only that one loads the model."""
    result = preceptor("whatif", "run.yaml", "--drop", "short", "--json", "first.json", cwd=trained)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def ablated(trained: Path, followed: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with every proper subset of its principles retrained."""
    assert followed
    folder = copy_of(trained, tmp_path_factory.mktemp("ablated"))
    result = preceptor("ablate", "run.yaml", "--subsets", 10, "--no-controls", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", f"{folder}/.", str(to)], check=True)
    return to


def asked(folder: Path, out: Path, *arguments: object) -> tuple[WhatIf, str]:
    result = preceptor("whatif", "run.yaml", *arguments, "--json", out, cwd=folder)
    assert result.returncode == 0, result.stderr
    return WhatIf.model_validate_json(out.read_text(encoding="utf-8")), result.stdout


def traced(folder: Path, out: Path, *arguments: object) -> tuple[Moved, str]:
    result = preceptor("trace", "run.yaml", *arguments, "--json", out, cwd=folder)
    assert result.returncode == 0, result.stderr
    return Moved.model_validate_json(out.read_text(encoding="utf-8")), result.stdout


def refused(folder: Path, command: str, *arguments: object) -> str:
    """The one error of a command that must fail."""
    result = preceptor(command, "run.yaml", *arguments, cwd=folder)
    assert result.returncode == 2, result.stdout
    assert "Traceback" not in result.stderr
    faults = [line for line in result.stderr.splitlines() if not line.startswith(" ")]
    assert len(faults) == 1, result.stderr
    return result.stderr


def heldout_h(folder: Path) -> dict[str, float]:
    """h of every held-out pair, from the retraining on the run's own labels."""
    (own,) = [one.h for one in retrainings(folder) if one.label_set.weights == WEIGHTS]
    return own


def retrainings(folder: Path) -> list[Retrained]:
    config = load_run(folder / "run.yaml", {})
    return read_retrained(Run(config, folder, folder_of(config, folder / "run.yaml", folder / "runs"), Console()))


def margin(folder: Path, h: dict[str, float], principle: str) -> float:
    """Mean of (2 p_k - 1) h; every prompt of the run has one pair."""
    shares = [(label.pair_key, share) for label in labels(folder) for share in label.shares]
    values = [(2 * s.p - 1) * h[key] for key, s in shares if key in h and s.principle == principle]
    return sum(values) / len(values)


def labels(folder: Path) -> list[Label]:
    return read_records(folder / RUN / "40-labels.jsonl", Label)


def test_a_prediction_has_every_behaviour_and_says_what_is_not_known(trained: Path, followed: str) -> None:
    found = WhatIf.model_validate_json((trained / "first.json").read_text(encoding="utf-8"))
    assert found.weights == {i: w for i, w in WEIGHTS.items() if i != "short"}
    assert found.fidelity is None
    assert {one.principle for one in found.behaviours} == set(WEIGHTS)
    assert any(one.change.estimate for one in found.behaviours)
    assert found.changed > 0
    assert "fidelity: not measured for this run" in followed
    assert "loading" in followed
    for one in found.behaviours:
        assert f"  {one.principle}: {one.now.estimate:.3f} -> {one.then:.3f}, " in followed
        assert one.then == pytest.approx(one.now.estimate + one.change.estimate, abs=1e-12)
        assert one.detectable is None or f"at least {one.detectable:.2g} would" in followed or one.change.excludes_zero


def test_now_is_the_trained_policy(ablated: Path, tmp_path: Path) -> None:
    """The margins of the recording's last weights are those of the real retraining on the run's own labels."""
    found, _ = asked(ablated, tmp_path / "out.json", "--weight", "short=1")
    h = heldout_h(ablated)
    for one in found.behaviours:
        assert one.now.estimate == pytest.approx(margin(ablated, h, one.principle), abs=1e-5)


@pytest.mark.parametrize("same", [("--constitution", "constitution.yaml"), ("--weight", "short=2")])
def test_the_unchanged_constitution_changes_nothing(
    trained: Path, followed: str, tmp_path: Path, same: tuple[str, str]
) -> None:
    assert followed
    found, said = asked(trained, tmp_path / "out.json", *same)
    assert found.weights == WEIGHTS
    assert (found.changed, found.flipped, found.vanished) == (0, 0, 0)
    assert [one.change.estimate for one in found.behaviours] == [0.0] * len(WEIGHTS)
    assert all(one.then == pytest.approx(one.now.estimate, abs=1e-12) for one in found.behaviours)
    assert "loading" not in said, "the model was followed by the first call"


def test_weights_are_relative(trained: Path, followed: str, tmp_path: Path) -> None:
    """Twice everything is the same constitution; weight 0 is the principle left out."""
    assert followed
    doubled = [part for i, w in WEIGHTS.items() for part in ("--weight", f"{i}={2 * w}")]
    found, _ = asked(trained, tmp_path / "doubled.json", *doubled)
    assert max(abs(one.change.estimate) for one in found.behaviours) < 1e-6
    zero, _ = asked(trained, tmp_path / "zero.json", "--weight", "short=0")
    first = WhatIf.model_validate_json((trained / "first.json").read_text(encoding="utf-8"))
    assert zero.behaviours == first.behaviours


def test_a_reworded_principle_is_said_to_be_unjudged(trained: Path, followed: str, tmp_path: Path) -> None:
    assert followed
    edited = tmp_path / "edited.yaml"
    edited.write_bytes((trained / "constitution.yaml").read_bytes())
    edit(edited, "The answer is short.", "The answer is brief.")
    found, said = asked(trained, tmp_path / "out.json", "--constitution", edited)
    assert found.unjudged == ("short",)
    assert "not judged yet, so not in it: short" in said
    assert f"`preceptor constitution diff constitution.yaml {edited} --run run.yaml`" in said
    edited.write_text("name: new\nprinciples:\n" + FOURTH.replace("an e", "a vowel"), encoding="utf-8")
    assert "in this run; what it does to the run's votes" in refused(trained, "whatif", "--constitution", edited)
    first = WhatIf.model_validate_json((trained / "first.json").read_text(encoding="utf-8"))
    assert found.behaviours == first.behaviours, "what is left is the constitution without it"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "whatif: give --drop, --weight or --constitution"),
        (("--drop", "shrt"), "--drop: `shrt`: the constitution has: short, few-vowels"),
        (("--weight", "shrt=1"), "--weight: `shrt`: the constitution has: short, few-vowels"),
        (("--weight", "short"), "--weight short: give ID=WEIGHT, a number of at least 0"),
        (("--weight", "short=-1"), "--weight short=-1: give ID=WEIGHT"),
        (("--weight", "short=nan"), "--weight short=nan: give ID=WEIGHT"),
        (("--weight", "short=1", "--drop", "short"), "`short`: it is named twice"),
        ([part for i in WEIGHTS for part in ("--drop", i)], "no principle with a weight is left"),
        (("--constitution", "constitution.yaml", "--drop", "short"), "give either --constitution, or --drop and"),
        (("--constitution", "no.yaml"), "no.yaml: there is no such file"),
        (("--drop", "short", "--set", "train.beta=0.5"), "with other settings than the run has now (train.beta "),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(
    trained: Path, followed: str, arguments: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert followed
    monkeypatch.chdir(trained)
    given: dict[str, list[str]] = {name: [] for name in ("--drop", "--weight", "--constitution", "--set")}
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        given[option].append(value)
    new = Path(given["--constitution"][0]) if given["--constitution"] else None
    with pytest.raises((ConfigError, DataError), match=re.escape(expected)):
        run_whatif(Path("run.yaml"), given["--drop"], given["--weight"], new, {}, given["--set"], Path("runs"))


def test_without_a_recording_the_error_says_how_to_make_one(trained: Path, tmp_path: Path) -> None:
    folder = copy_of(trained, tmp_path)
    subprocess.run(["rm", "-r", "50-recording", "50-policy"], cwd=folder / RUN, check=True)
    result = preceptor("train", "run.yaml", "--set", "train.trace=null", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert not (folder / RUN / "50-recording").exists()
    for command, option in (("whatif", "--drop"), ("trace", "--behaviour")):
        said = refused(folder, command, option, "short")
        assert "left no recording of its training" in said
        assert "remove the run's 50-recording and 50-policy, and `preceptor train` makes both again" in said
    subprocess.run(["rm", "-r", "50-policy"], cwd=folder / RUN, check=True)
    assert preceptor("train", "run.yaml", cwd=folder).returncode == 0
    again, _ = asked(folder, tmp_path / "again.json", "--drop", "short")
    first = WhatIf.model_validate_json((trained / "first.json").read_text(encoding="utf-8"))
    assert again.model_dump(exclude={"seconds"}) == first.model_dump(exclude={"seconds"})


def test_retrainings_give_the_fidelity_and_correct_the_prediction(ablated: Path, tmp_path: Path) -> None:
    """Ten label sets lack two principles or three. One principle alone is what its own retraining gave."""
    (retrained,) = [one for one in retrainings(ablated) if one.label_set.weights.keys() == WEIGHTS.keys() - {"short"}]
    found, said = asked(ablated, tmp_path / "out.json", "--drop", "short")
    assert found.corrected == ("short",)
    assert "corrected by the retrainings without: short" in said
    for one in found.behaviours:
        assert one.then == pytest.approx(margin(ablated, retrained.h, one.principle), abs=1e-9)
    assert found.fidelity is not None
    assert found.fidelity.sets == 10
    assert found.fidelity.low <= found.fidelity.lds <= found.fidelity.high
    assert f"fidelity: LDS {found.fidelity.lds:.3f} [" in said
    assert "10 retrained label sets, 4 behaviours" in said
    half, _ = asked(ablated, tmp_path / "half.json", "--weight", "short=1", "--weight", "many-e=3")
    assert half.corrected == ("short",), "more weight is nothing that a retraining without it can tell of"


def test_who_moved_a_behaviour_adds_up(trained: Path, followed: str, tmp_path: Path) -> None:
    assert followed
    found, said = traced(trained, tmp_path / "out.json", "--behaviour", "short")
    check_sums(found)
    first = WhatIf.model_validate_json((trained / "first.json").read_text(encoding="utf-8"))
    now = next(one.now for one in first.behaviours if one.principle == "short")
    assert found.measured.estimate == pytest.approx(now.estimate, abs=1e-6), "h begins at 0"
    assert found.completeness_error < 0.1
    assert f"(off by {100 * found.completeness_error:.1f} %)" in said
    assert "`nobody`: on the held-out pairs there are: " in refused(trained, "trace", "--behaviour", "nobody")


def check_sums(found: Moved) -> None:
    parts = [part.contribution.estimate for part in found.principles]
    assert sum(parts) == pytest.approx(found.explained, abs=1e-9)
    assert {part.principle for part in found.principles} == set(WEIGHTS)
    pairs = [*found.raised, *found.lowered]
    assert len(pairs) <= found.pairs <= 8
    for pair in pairs:
        assert sum(pair.by_principle.values()) == pytest.approx(pair.contribution, abs=1e-9)
    assert sum(pair.contribution for pair in pairs) == pytest.approx(found.explained, abs=1e-9), "none is left out"


def test_who_made_an_answer_likelier_adds_up(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"prompt": "What should one know about bread?", "response": "It is warm."}))
    found, said = traced(trained, tmp_path / "out.json", "--response", file)
    check_sums(found)
    assert found.measured.low is None
    assert "log-probability of the answer in answer.json (nats)" in said
    assert "(no interval: one answer)" in said
    assert "95 %" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"prompt": "x",\n', "answer.json:2:1: not JSON"),
        ('{"prompt": "x"}', "answer.json:1:1: `response`: Field required"),
        ('{"prompt": "x", "response": "y", "reply": "z"}', "answer.json:1:1: `reply`: Extra inputs are not permitted"),
        (None, "answer.json: there is no such file"),
    ],
)
def test_a_faulty_answer_is_named(trained: Path, tmp_path: Path, text: str | None, expected: str) -> None:
    file = tmp_path / "answer.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, DataError), match=re.escape(expected)):
        run_trace(trained / "run.yaml", {"response": str(file)}, {}, (), trained / "runs")


def test_a_fault_is_one_line_of_the_command(trained: Path, followed: str, tmp_path: Path) -> None:
    assert followed
    assert "`shrt`: the constitution has: short, few-vowels" in refused(trained, "whatif", "--drop", "shrt")
    (tmp_path / "answer.json").write_text("[", encoding="utf-8")
    assert "answer.json:1:2: not JSON" in refused(trained, "trace", "--response", tmp_path / "answer.json")
