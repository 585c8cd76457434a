"""The documented commands, executed one after the other on one small whole run, their placeholders filled in.

NOT_EXECUTED names every line that is only parsed, with the reason.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from constitution.files import read_records
from generate.engine import ModelRef
from judge.records import Label
from pipeline.cli import app
from tests.doc_blocks import ROOT, blocks, commands
from tests.doc_examples import public_data, small_examples
from tests.doc_synopses import command_lines, filled
from tests.runs import write_run
from tests.test_calibrate_command import gold_folder, many_pairs, note_verdicts, own_pairs
from tests.test_run import edit

pytestmark = pytest.mark.usefixtures("one_thread")

NOT_EXECUTED = {
    "export RUN.yaml --format datasets --out hub:OWNER/NAME": "needs a hub; tests/test_export_folder.py has one",
    "import trl OWNER/DATA --split test --license apache-2.0 --out gold": "needs a network; only the source differs",
    "run examples/gpu/run.yaml": "needs a GPU, and a judge that passes its audit; the line above it is executed",
    "run RUN.yaml --executor ray --set executor.actors=8": "starts eight actors; tests/test_ray.py starts Ray with two",
}
NEEDS_DATA = ("import llmbar", "import xstest", "run examples/xstest/", "conflicts examples/xstest/")
"""How lines begin that need public data sets; without `shared/data` beside the repository they are passed over."""
DATA = ROOT.parent / "shared" / "data"
ELSEWHERE = {
    "docs/commands.md": "usage lines: of some commands an option more is needed",
    "docs/first-run.md": "tests/test_newcomer.py executes the whole page in its order",
}
VALUES = {
    "RUN.yaml": "run.yaml",
    "N": "1",
    "M": "2",
    "ID": "short",
    "A,B": "rules,reader",
    "A:B": "brevity:sound",
    "AXIS:AXIS": "brevity:sound",
    "ID=WEIGHT": "few-vowels=3",
    "NEW.yaml": "new.yaml",
    "OLD": "law.yaml",
    "NEW": "new.yaml",
    "RUN": "run.yaml",
    "RUN...": "runs/other",
    "PROMPTS.jsonl": "train.jsonl",
    "FOLDER": "gold",
    "FORMAT": "trl",
    "SOURCE...": "mine.jsonl",
    "PART...": "runs/other",
    "runs/part-*": "runs/part-3",
    "KEY=VALUE": "train.epochs=1",
    "rules,remote": "rules,reader",
    "200": "2",
}
AFTER = {
    "--name": "other", "--judge": "rules", "--response": "answer.jsonl", "check": "law.yaml",
    "show": "law.yaml", "init": "started.yaml", "--prompts": "train.jsonl", "--gold": "people",
}  # fmt: skip
"""What a placeholder stands for after these words, whatever it is called."""


@pytest.fixture(scope="module")
def project(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user's: a run that is done, the examples, and the files that the pages' commands name."""
    folder = tmp_path_factory.mktemp("project")
    run_file = write_run(folder, tiny_model.path)
    edit(run_file, "train:\n", "train:\n  heldout_fraction: 0.4\n")
    edit(folder / "constitution.yaml", "weight: 2", "weight: 2\n    axis: brevity")
    edit(folder / "constitution.yaml", "  - id: few-vowels", "  - id: few-vowels\n    axis: sound")
    edit(run_file, "constitution: constitution.yaml", "constitution: law.yaml")  # `constitution init` wants the name
    text = (folder / "constitution.yaml").rename(folder / "law.yaml").read_text(encoding="utf-8")
    (folder / "new.yaml").write_text(text.replace("weight: 2", "weight: 1"), encoding="utf-8")
    whole = run_file.read_text(encoding="utf-8")
    (folder / "part-3.yaml").write_text(whole.replace("name: tiny", "name: part-3"), encoding="utf-8")
    row = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
    (folder / "mine.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (answer,) = [block.text for block in blocks() if block.page == "docs/trace.md" and block.kind == "json"]
    (folder / "answer.jsonl").write_text(answer + "\n", encoding="utf-8")
    edit(run_file, "judge: rules\n", "  noted: {kind: recorded, file: noted.jsonl, orders: both}\njudge: rules\n")
    failing = whole.replace(
        "judge: rules\n", "  small: {kind: recorded, file: torn.jsonl, orders: both}\njudge: small\n"
    )
    (folder / "failing.yaml").write_text(failing.replace("name: tiny", "name: failing"), encoding="utf-8")
    small_examples(folder, tiny_model.path)
    if DATA.is_dir():
        public_data(DATA, folder)
    return folder


def execute(words: list[str]) -> str:
    """Through the real command line in this process. Exit code 3 is an audit that the judge did not pass, 1 a strict
    check that has a warning."""
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    strict = "--strict" in words and " warning [" in result.output
    allowed = (0, 3) if words[0] == "audit" else (1,) if strict else (0,)
    assert result.exit_code in allowed, (words, result.output)
    return result.output


def documented() -> list[tuple[str, list[str]]]:
    """(where, words) of every line of Preceptor's, each once."""
    found: dict[str, tuple[str, list[str]]] = {}
    for block in blocks():
        if block.page in ELSEWHERE:
            continue
        for line in commands(block.text) if block.kind == "console" else []:
            for words in command_lines(line) if line.startswith("preceptor ") else []:
                found.setdefault(" ".join(words[1:]), (block.name, words[1:]))
    return list(found.values())


def filled_in(words: list[str], folder: Path) -> list[str]:
    labels = read_records(folder / "runs" / "tiny" / "40-labels.jsonl", Label)
    values = {**VALUES, "KEY": next(label.pair_key for label in labels if label.p is not None)}
    named = [
        AFTER.get(before, word) if word.isupper() else word for before, word in zip(["", *words], words, strict=False)
    ]
    if words[0] == "calibrate" and "--gold" not in words:
        named = ["noted" if word == "rules" else word for word in named]  # the rules have no orders to swap
    if "--accept-judge" in words:
        values["RUN.yaml"] = "failing.yaml"
    out = [word if word != "FILE" else f"written{place}.out" for place, word in enumerate(named)]
    if words[0] == "export":
        values |= dict.fromkeys(("WHERE", "FOLDER"), f"exported{len(words)}-{'-'.join(words[2:4]).strip('-')}")
    return filled(out, values)


@pytest.mark.slow
def test_the_documented_commands_do_what_they_are_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    execute(["import", "trl", "mine.jsonl", "--out", "gold"])
    execute(["run", "run.yaml"])
    execute(["run", "run.yaml", "--name", "other", "--seed", "1"])
    for name, noise in (("noted", 4), ("torn", 40)):
        note_verdicts(project / f"{name}.jsonl", own_pairs(project / "run.yaml"), noise)
    gold_folder(project / "people", many_pairs(project / "run.yaml"))
    skipped = set()
    for where, words in documented():
        line = " ".join(words)
        if line in NOT_EXECUTED:
            skipped.add(line)
        if line in NOT_EXECUTED or (line.startswith(NEEDS_DATA) and not DATA.is_dir()):
            continue
        ready = filled_in(words, project)
        print(where, " ".join(ready))
        said = execute(ready)
        assert ("accepted by name" in said) == ("--accept-judge" in words)
    assert skipped == set(NOT_EXECUTED), "a reason for a line that is no longer there"


def test_plain_speech_goes_through(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo` runs it; first-run is walked through in tests/test_newcomer.py, the others are documented lines."""
    monkeypatch.chdir(project)
    said = execute(["run", "examples/plain-speech/run.yaml"])
    assert "judge `small`" in said
    assert (project / "runs" / "plain-speech" / "90-report.html").exists()


def test_the_query_on_a_store_works(project: Path) -> None:
    (line,) = [c for b in blocks() if b.kind == "console" for c in commands(b.text) if c.startswith("sqlite3")]
    store, query = line.split('"')[0].split()[1], line.split('"')[1]
    with sqlite3.connect(project / store.replace("plain-speech", "tiny")) as db:
        assert dict(db.execute(query))["valid"] > 0


def test_every_example_is_run() -> None:
    """By a documented line above, or as said here."""
    lines = [" ".join(words) for _, words in documented()]
    elsewhere = {"plain-speech", "first-run"}
    assert {file.parent.name for file in (ROOT / "examples").glob("*/run.yaml")} - elsewhere == {
        line.split("/")[1] for line in lines if line.startswith("run examples/")
    }
