"""The documented commands, executed one after the other on one small whole run, their placeholders filled in.

NOT_EXECUTED names every line that is only parsed, with the reason.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from constitution.files import read_records
from generate.engine import ModelRef
from judge.records import Label
from pipeline.cli import app
from tests.doc_blocks import ROOT, blocks, commands
from tests.doc_synopses import command_lines, filled
from tests.runs import write_run
from tests.test_run import edit

pytestmark = pytest.mark.usefixtures("one_thread")

NOT_EXECUTED = {
    "import llmbar": "needs files of LLMBar; tests/test_audit_llmbar.py executes them",
    "export RUN.yaml --format datasets --out hub": "needs a hub; tests/test_export_folder.py has one",
    "import trl OWNER/DATA": "needs a network; only the source differs from the line above it",
    "calibrate": "needs a judge that judges better than a coin; tests/test_calibrate_command.py",
    "run examples/gpu/": "needs a GPU; tests/test_gpu_example.py checks the files",
    "run examples/": "trains the bundled model for minutes; tests/test_schema.py loads the files",
    "whatif examples/planted/": "needs the policy that the line above trains for minutes; tests/test_whatif_command.py",
    "ablate examples/planted/": "the same; tests/test_ablation_run.py executes it on a small run",
    "conflicts examples/xstest/": "needs XSTest's files; tests/test_examples.py executes it",
    "import xstest": "needs XSTest's files; tests/test_examples.py executes it",
    "run RUN.yaml --executor ray --set": "starts Ray with eight actors; tests/test_ray.py starts it with two",
    "run RUN.yaml --accept-judge small": "needs an entry `small` that fails; tests/test_audit_run.py executes it",
}
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
    "show": "law.yaml", "init": "started.yaml", "--prompts": "train.jsonl",
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
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


def execute(words: list[str]) -> str:
    """Through the real command line in this process. Exit code 3 is an audit that the judge did not pass."""
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code in (0, 3) if words[0] == "audit" else result.exit_code == 0, (words, result.output)
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
    out = [word if word != "FILE" else f"written{place}.out" for place, word in enumerate(named)]
    if words[0] == "export":
        values |= dict.fromkeys(("WHERE", "FOLDER"), f"exported{len(words)}-{'-'.join(words[2:4]).strip('-')}")
    return filled(out, values)


def test_the_documented_commands_do_what_they_are_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    execute(["import", "trl", "mine.jsonl", "--out", "gold"])
    execute(["run", "run.yaml"])
    execute(["run", "run.yaml", "--name", "other", "--seed", "1"])
    skipped = set()
    for where, words in documented():
        reason = next((each for each in NOT_EXECUTED if " ".join(words).startswith(each)), None)
        if reason:
            skipped.add(reason)
            continue
        ready = filled_in(words, project)
        print(where, " ".join(ready))
        execute(ready)
    assert skipped == set(NOT_EXECUTED), "a reason for a line that is no longer there"


def test_the_query_on_a_store_works(project: Path) -> None:
    (line,) = [c for b in blocks() if b.kind == "console" for c in commands(b.text) if c.startswith("sqlite3")]
    store, query = line.split('"')[0].split()[1], line.split('"')[1]
    with sqlite3.connect(project / store.replace("plain-speech", "tiny")) as db:
        assert dict(db.execute(query))["valid"] > 0
