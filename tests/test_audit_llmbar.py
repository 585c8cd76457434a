"""The audit on LLMBar (arXiv 2310.07641): published figures from recorded verdicts; an instruction and its negation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from constitution.errors import JudgeError
from generate.engine import ModelRef
from pipeline.cli import app
from pipeline.run import run_pipeline

LONG_WORDS = "{type: pattern, pattern: '[a-z]{9,}', want: %s}"


def preceptor(*arguments: object) -> str:
    """The command line, in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tiny_model: ModelRef, tmp_path: Path) -> Path:
    """An empty folder with a model, which a run must name although nothing is generated here."""
    (tmp_path / "model").symlink_to(tiny_model.path)
    return tmp_path


def write_run(folder: Path, name: str, constitution: str, judge: str, audit: str, pairs: str) -> Path:
    (folder / f"{name}-constitution.yaml").write_text(constitution, encoding="utf-8")
    (folder / "heldout.jsonl").write_text('{"id": "h", "prompt": "Hello?"}\n', encoding="utf-8")
    run_file = folder / f"{name}.yaml"
    run_file.write_text(
        f"name: {name}\nconstitution: {name}-constitution.yaml\nprompts: {{heldout: heldout.jsonl}}\npairs: {pairs}\n"
        f"model: model\njudges:\n  it: {judge}\njudge: it\naudit: {audit}\n",
        encoding="utf-8",
    )
    return run_file


def audited(folder: Path, run_file: Path) -> dict[str, Any]:
    """The card that `preceptor audit` leaves."""
    result = CliRunner().invoke(app, ["audit", str(run_file), "--runs", str(folder / "runs")], catch_exceptions=False)
    card: dict[str, Any] = json.loads((folder / "runs" / run_file.stem / "35-audit.json").read_text(encoding="utf-8"))
    assert result.exit_code == (0 if card["passed"] else 3), result.output
    card["said"] = result.output
    return card


@pytest.mark.parametrize("judge", ["ChatGPT", "LLaMA2"])
def test_the_published_figures_come_out_to_the_last_digit(judge: str, shared_data: Path, folder: Path) -> None:
    recorded = shared_data / "llmbar" / "recorded" / judge
    preceptor("import", "llmbar-verdicts", recorded / "natural-vanilla-result.json", "--out", folder / "verdicts")
    preceptor("import", "llmbar", shared_data / "llmbar" / "LLMBar-Natural.json", "--out", folder / "gold")
    constitution = "name: c\nprinciples:\n  - {id: follows, text: It follows the instruction.}\n"
    judged = "{kind: recorded, file: verdicts, orders: both}"
    card = audited(folder, write_run(folder, "stored", constitution, judged, "{gold: gold}", "verdicts"))
    published = json.loads((recorded / "natural-vanilla-statistics.json").read_text(encoding="utf-8"))
    assert card["figures"]["gold"]["published"] == published
    page = (folder / "runs" / "stored" / "35-audit.html").read_text(encoding="utf-8")
    for name, value in published.items():
        assert f"against gold, {name}: {value}" in card["said"]
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    orders = card["figures"]["gold"]["orders"]
    assert f"{100 * orders['accuracy']['value']:.1f}%" == published["correct_average"]
    assert orders["kappa_between"]["value"] == pytest.approx(published["kappa_agreement"], abs=1e-15)
    # Cohen's kappa against gold is another figure than the published one; see docs/audit.md.
    assert orders["kappa_ab"]["value"] > 0.5 > published["kappa_False"]
    assert "It is right more often than a coin" in card["said"]
    assert set(card["about"]["not_probed"]) == {"negation", "null", "repeat", "injection"}


@pytest.mark.real_model
def test_smollm2_is_called_at_chance_and_its_labels_are_refused(shared_data: Path, folder: Path) -> None:
    source = shared_data / "llmbar" / "LLMBar-Natural.json"
    preceptor("import", "llmbar", source, "--out", folder / "gold", "--limit", 6)
    constitution = "name: c\nprinciples:\n  - {id: follows, text: It follows the instruction.}\n"
    judge = "{kind: llm, engine: embedded, model: 'bundled:smollm2-135m-instruct', template: small, max_chars: 300}"
    run_file = write_run(folder, "small", constitution, judge, "{gold: gold, probes: []}", "gold")
    card = audited(folder, run_file)
    assert not card["passed"]
    assert "chance" in " ".join(card["words"])
    accuracy = card["figures"]["gold"]["accuracy"]
    assert accuracy["low"] < 0.5 < accuracy["high"]
    run_pipeline(("label",), run_file, {}, (), folder / "runs", False)
    with pytest.raises(JudgeError, match="did not pass its audit"):
        run_pipeline(("train",), run_file, {}, (), folder / "runs", False)


def case_study(folder: Path, name: str, negation: str) -> dict[str, Any]:
    """The card of a `rules` judge of long words on the Normal case study, whose negation has another check or not."""
    check = LONG_WORDS % "present"
    constitution = f"name: c\nprinciples:\n  - {{id: helps, text: It helps with the request., check: {check}}}\n"
    audit = f"{{gold: normal, pairs: 59, probes: [negation], negations: {{helps: {{text: It does not., {negation}}}}}}}"
    return audited(folder, write_run(folder, name, constitution, "{kind: rules}", audit, "normal"))


def test_reading_an_instruction_is_told_from_ignoring_it(shared_data: Path, folder: Path) -> None:
    for name in ("Normal", "Negation"):
        source = shared_data / "llmbar" / f"CaseStudy-{name}.json"
        preceptor("import", "llmbar", source, "--out", folder / name.lower())
    reads = case_study(folder, "reads", f"check: {LONG_WORDS % 'absent'}")
    ignores = case_study(folder, "ignores", f"check: {LONG_WORDS % 'present'}")
    assert reads["figures"]["gold"]["accuracy"]["low"] > 0.5
    assert reads["figures"]["gold"] == ignores["figures"]["gold"]
    assert reads["figures"]["negation"]["flips"]["low"] > 0.9
    assert ignores["figures"]["negation"]["flips"]["high"] < 0.1
    assert (reads["passed"], ignores["passed"]) == (True, False)
    assert any(words.startswith("It reads the principle") for words in reads["words"])
    assert any(words.startswith("It does not follow the principle") for words in ignores["words"])
    # Against what people said of the same answers under the negated instruction, the two come apart as well.
    right = {}
    for name, want in (("opposed", "absent"), ("unmoved", "present")):
        check = LONG_WORDS % want
        constitution = f"name: c\nprinciples:\n  - {{id: harms, text: It does not help., check: {check}}}\n"
        run_file = write_run(folder, name, constitution, "{kind: rules}", "{gold: negation, probes: []}", "negation")
        right[name] = audited(folder, run_file)["figures"]["gold"]["accuracy"]
    assert right["opposed"]["low"] > 0.5 > right["unmoved"]["high"]
