"""`preceptor calibrate` on the tiny run: what it asks, writes and refuses, and that a calibration acts only by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from constitution.errors import DataError, JudgeError
from constitution.files import read_records
from generate.engine import ModelRef
from generate.records import Pair
from judge.calibration import Calibration, read_calibration
from judge.records import Label
from pipeline.command_calibrate import run_calibrate
from pipeline.run import run_pipeline
from tests.runs import preceptor, write_run


@pytest.fixture(scope="module")
def run_file(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is labelled by `noted`, another judge's recorded verdicts in both orders."""
    file = write_run(tmp_path_factory.mktemp("calibrate"), tiny_model.path)
    noted = "  noted: {kind: recorded, file: noted.jsonl, orders: both}\n"
    file.write_text(
        file.read_text(encoding="utf-8").replace("judge: rules\n", f"{noted}judge: rules\n"), encoding="utf-8"
    )
    run_pipeline(("generate",), file, {}, (), file.parent / "runs", False)
    note_verdicts(file.parent / "noted.jsonl", own_pairs(file))
    go(file, "judge")
    go(file, "label")
    return file


def note_verdicts(file: Path, pairs: list[Pair], noise: float = 4) -> None:
    """In each order a logit for `a` of its own; the orders contradict each other in about two pairs of five."""
    generator, lines = np.random.default_rng(6), []
    for pair in pairs:
        for principle in ("short", "few-vowels", "no-repetition"):
            shared = generator.normal(0, 2.5)
            for order in ("ab", "ba"):
                logit = shared + generator.normal(0, noise)
                lines.append(json.dumps({"pair": pair.key, "principle": principle, "order": order, "logit": logit}))
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def own_pairs(file: Path) -> list[Pair]:
    return read_records(file.parent / "runs" / "tiny" / "20-pairs.jsonl", Pair)


def go(file: Path, stage: str, *settings: str) -> None:
    run_pipeline((stage,), file, {"judge": "noted"}, settings, file.parent / "runs", False)


def fit(file: Path, judge: str, gold: Path | None = None, dry: bool = False) -> Calibration:
    out = file.parent / f"{judge}.json"
    run_calibrate(file, judge, gold, out, {}, (), file.parent / "runs", dry)
    return read_calibration(out)


def labels(file: Path) -> list[Label]:
    return read_records(file.parent / "runs" / "tiny" / "40-labels.jsonl", Label)


def test_without_gold_and_applied_by_name_only(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = labels(run_file)
    found = fit(run_file, "noted")
    said = capsys.readouterr().out
    assert "0 to ask" in said, "the run's own votes are used"
    assert "calibration: " in said
    assert (found.method, found.judge) == ("order_swap", "noted")
    assert [entry.principle for entry in found.principles] == ["short", "few-vowels", "no-repetition"]
    go(run_file, "label")
    assert labels(run_file) == before, "a calibration that nobody names does nothing"
    capsys.readouterr()
    go(run_file, "label", "judges.noted.calibration=noted.json")
    said = capsys.readouterr().out
    assert "changed: calibration" in said
    assert "probabilities are calibrated:" in said
    after = labels(run_file)
    assert {label.calibration for label in after} == {after[0].calibration}
    assert after[0].calibration is not None
    t = {entry.principle: entry.temperature.value for entry in found.principles}
    for old, new in zip(before, after, strict=True):
        for share, other in zip(old.shares, new.shares, strict=True):
            assert abs(other.p - 0.5) <= abs(share.p - 0.5) + 1e-12
            assert (other.p == share.p) == (t[share.principle] == 1 or share.p == 0.5)
    go(run_file, "label")
    assert labels(run_file) == before


def gold_folder(folder: Path, pairs: list[Pair]) -> Path:
    """Gold that prefers the answer with fewer words, under `short`."""
    folder.mkdir()
    (folder / "pairs.jsonl").write_text("".join(pair.model_dump_json() + "\n" for pair in pairs), encoding="utf-8")
    opinions = [
        {"pair": pair.key, "principle": "short", "verdict": "a" if len(pair.a.text) < len(pair.b.text) else "b"}
        for pair in pairs
    ]
    (folder / "opinions.jsonl").write_text("".join(json.dumps(o) + "\n" for o in opinions), encoding="utf-8")
    (folder / "import.json").write_text("{}", encoding="utf-8")
    return folder


def many_pairs(file: Path) -> list[Pair]:
    """The run's pairs, each under four prompts."""
    pairs, found = own_pairs(file), []
    for copy in range(4):
        for pair in pairs:
            prompt = pair.prompt.model_copy(update={"prompt": f"{pair.prompt.prompt} ({copy})"})
            a, b = (r.model_copy(update={"prompt_key": prompt.key}) for r in (pair.a, pair.b))
            found.append(Pair(prompt=prompt, a=a, b=b))
    return found


def test_with_gold_the_judge_is_asked_about_golds_pairs(run_file: Path, tmp_path: Path) -> None:
    gold = gold_folder(tmp_path / "gold", many_pairs(run_file))
    found = fit(run_file, "rules", gold)
    assert (found.method, [entry.principle for entry in found.principles]) == ("gold", ["short"])
    assert {refusal.principle for refusal in found.refused} == {"few-vowels", "no-repetition"}
    assert found.scores is not None
    assert found.scores.before.accuracy.n == found.principles[0].labels >= 30


def test_principles_that_gold_does_not_name_are_not_asked_and_gold_on_others_stops_it_first(
    run_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = many_pairs(run_file)
    gold = gold_folder(tmp_path / "gold", pairs)
    run_calibrate(run_file, "rules", gold, tmp_path / "x.json", {}, (), run_file.parent / "runs", True)
    assert f"on {len(pairs)} pairs: {len(pairs)} votes wanted" in capsys.readouterr().out
    lines = (gold / "opinions.jsonl").read_text(encoding="utf-8").replace('"short"', '"another"')
    (gold / "opinions.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(JudgeError, match="holds opinions on another"):
        run_calibrate(run_file, "rules", gold, tmp_path / "x.json", {}, (), run_file.parent / "runs", False)
    assert "votes wanted" not in capsys.readouterr().out


def test_what_is_refused_leaves_no_file(run_file: Path, tmp_path: Path) -> None:
    gold = gold_folder(tmp_path / "gold", many_pairs(run_file)[:5])
    out = tmp_path / "out.json"
    runs = run_file.parent / "runs"
    with pytest.raises(DataError, match=r"cannot be calibrated, and nothing was written: .*too few"):
        run_calibrate(run_file, "rules", gold, out, {}, (), runs, False)
    with pytest.raises(JudgeError, match="only gold labels can calibrate it"):
        run_calibrate(run_file, "rules", None, out, {}, (), runs, False)
    with pytest.raises(JudgeError, match="the run file defines only: noted, reader, rules"):
        run_calibrate(run_file, "nobody", None, out, {}, (), runs, False)
    with pytest.raises(DataError, match="no pairs to calibrate on"):
        run_calibrate(run_file, "noted", None, out, {}, (), tmp_path / "elsewhere", False)
    assert not out.exists()


def test_a_file_made_for_another_judge_stops_the_stage(run_file: Path) -> None:
    stored = read_calibration(run_file.parent / "noted.json")
    (run_file.parent / "other.json").write_text(
        stored.model_copy(update={"judge_digest": "0" * 32}).model_dump_json(), encoding="utf-8"
    )
    with pytest.raises(JudgeError, match=r"other.json was made for another judge"):
        go(run_file, "label", "judges.noted.calibration=other.json")


def test_the_command_itself(run_file: Path) -> None:
    done = preceptor("calibrate", run_file, "--judge", "noted", "--out", "seen.json", "--dry-run", cwd=run_file.parent)
    assert done.returncode == 0, done.stderr
    assert "by order swap" in done.stdout
    assert not (run_file.parent / "seen.json").exists()
    wrong = preceptor("calibrate", run_file, "--judge", "rules", "--out", "seen.json", cwd=run_file.parent)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
