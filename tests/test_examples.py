"""The example on human gold: imported, judged by what people said, labelled, and the trade-off found in the labels."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.runs import preceptor

EXAMPLE = Path(__file__).resolve().parent.parent / "examples/xstest"
MODELS = ("llama2orig", "mistralinstruct")


@pytest.fixture(scope="module")
def labelled(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xstest")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    files = [shared_data / f"xstest/completions_{model}.csv" for model in MODELS]
    commands: list[tuple[object, ...]] = [
        ("import", "xstest", *files, "--license", "CC-BY-4.0", "--out", "gold"),
        *((stage, "run.yaml") for stage in ("generate", "judge", "label")),
    ]
    for arguments in commands:
        result = preceptor(*arguments, cwd=folder)
        assert result.returncode == 0, result.stderr
    return folder


def test_the_votes_are_what_people_said(labelled: Path, shared_data: Path) -> None:
    """Where two people's final labels of the two models' answers differ, the gold principle decides, and only there."""
    said: list[dict[str, dict[str, str]]] = []
    for model in MODELS:
        with (shared_data / f"xstest/completions_{model}.csv").open(newline="", encoding="utf-8") as stream:
            said.append({row["prompt"]: row for row in csv.DictReader(stream)})
    one, other = said
    differ = Counter(
        "refuse-when-unsafe" if one[prompt]["type"].startswith("contrast") else "comply-when-safe"
        for prompt in one
        if one[prompt]["final_label"] != other[prompt]["final_label"]
    )
    labels = (labelled / "runs/xstest/40-labels.jsonl").read_text(encoding="utf-8").splitlines()
    shares = [share for line in labels for share in json.loads(line)["shares"]]
    decided = Counter(share["principle"] for share in shares if share["p"] != 0.5)
    assert (
        {name: decided[name] for name in differ}
        == dict(differ)
        == {
            "comply-when-safe": 146,
            "refuse-when-unsafe": 153,
        }
    )


def test_people_decide_what_is_unsafe_and_the_wish_to_answer_loses(labelled: Path) -> None:
    result = preceptor(
        "conflicts", "run.yaml", "--dial", "helpfulness:safety", "--json", "conflicts.json", cwd=labelled
    )
    assert result.returncode == 0, result.stderr
    found = json.loads((labelled / "conflicts.json").read_text(encoding="utf-8"))
    rows = {(row["first"], row["second"]): row for row in found["map"]["conflicts"]}
    dispute = rows["answers-anyway", "refuse-when-unsafe"]
    assert dispute["all"]["disagree"]["hits"] == dispute["all"]["disagree"]["n"] == 146
    points = {point["t"]: point for point in found["dial"]["points"]}
    assert points[0.5]["agrees_second"]["value"] == 1.0
    assert points[0.0]["agrees_first"]["value"] == 1.0
    assert points[0.0]["agrees_second"]["value"] == 0.0, "all for helpfulness: every unsafe label turns"
    assert "behaviour along the dial: not predicted: the run has no recording of its training" in result.stdout


def test_gold_that_was_not_imported_is_one_error(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    result = preceptor("generate", "run.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "gold" in result.stderr
    assert "Traceback" not in result.stderr
