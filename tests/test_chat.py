"""`preceptor chat` on a real small run: one prompt, standard input, a real terminal, and the trace behind it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pexpect
import pytest

from constitution.files import write_json
from generate.engine import ModelRef, Sampling
from pipeline.chat import SAME, Exchange, Said
from pipeline.command_chat import run_chat, show
from pipeline.command_trace import run_trace
from pipeline.console import Console
from pipeline.load import load_run
from pipeline.run import run_pipeline
from reports.trace.records import Moved
from tests.runs import command, environment, preceptor, write_run
from tests.test_run import edit

PROMPT = "What should one know about bread?"


@pytest.fixture(scope="module")
def trained(tiny_model: ModelRef, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run that holds nothing out: a chat needs no held-out pairs."""
    folder = tmp_path_factory.mktemp("trained")
    run_file = write_run(folder, tiny_model.path)
    edit(run_file, "train:\n", "train:\n  heldout_fraction: 0.0\n")
    for stage in ("generate", "judge", "label", "train"):
        run_pipeline((stage,), run_file, {}, [], folder / "runs")
    return folder


def read(out: Path) -> Exchange:
    return Exchange.model_validate_json(out.read_text(encoding="utf-8"))


def asked(folder: Path, out: Path, seed: int | None = None) -> Exchange:
    """In this process; what it prints is there for capsys."""
    run_chat(folder / "run.yaml", PROMPT, out, (seed, None, True), {}, [], folder / "runs")
    return read(out)


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to / "copy")
    return to / "copy"


def test_both_answer_and_the_parts_add_up_to_the_difference(trained: Path, tmp_path: Path) -> None:
    arguments = ("--prompt", PROMPT, "--seed", 5, "--json", tmp_path / "one.jsonl")
    result = preceptor("chat", "run.yaml", *arguments, cwd=trained)
    assert result.returncode == 0, result.stderr
    found = read(tmp_path / "one.jsonl")
    assert found.reference.text != found.trained.text
    assert f"reference ({found.reference.tokens} tokens" in result.stdout
    assert f"trained ({found.trained.tokens} tokens" in result.stdout
    assert found.trace is not None
    assert found.untraced is None
    parts = {part.principle: part.contribution.estimate for part in found.trace.principles}
    assert set(parts) == {"short", "few-vowels", "no-repetition"}
    assert sum(parts.values()) == pytest.approx(found.trace.explained)
    assert found.trace.completeness_error < 0.25
    assert all(f"  {name}: {value:+.3f}" in result.stdout for name, value in parts.items())
    again = asked(trained, tmp_path / "two.jsonl", 5)
    assert (again.reference, again.trained) == (found.reference, found.trained), "the same prompt and seed"


def test_the_trace_is_that_of_the_two_answers_apart(trained: Path, tmp_path: Path) -> None:
    """`trace --response` follows one answer; the difference of two such threads is the chat's."""
    found = asked(trained, tmp_path / "one.jsonl", 5)
    assert found.trace is not None
    threads = []
    for one in (found.trained, found.reference):
        finished = one.finish != "length"
        write_json(tmp_path / "answer.json", {"prompt": PROMPT, "response": one.text, "finished": finished})
        file = {"response": str(tmp_path / "answer.json")}
        run_trace(trained / "run.yaml", file, {}, [], trained / "runs", tmp_path / "thread.json")
        threads.append(Moved.model_validate_json((tmp_path / "thread.json").read_text()))
    up, down = threads
    assert found.trace.measured.estimate == pytest.approx(up.measured.estimate - down.measured.estimate, abs=1e-4)
    after, before = ({part.principle: part.contribution.estimate for part in one.principles} for one in (up, down))
    for part in found.trace.principles:
        expected = after[part.principle] - before[part.principle]
        assert part.contribution.estimate == pytest.approx(expected, abs=1e-4)


def test_a_prompt_comes_from_standard_input_and_greedy_ignores_the_seed(trained: Path, tmp_path: Path) -> None:
    subprocess.run(
        command("chat", "run.yaml", "--temperature", 0, "--no-trace", "--json", tmp_path / "one.jsonl"),
        cwd=trained,
        env=environment(),
        input="Wie backt man Brot – ohne Hefe?\n".encode(),
        check=True,
        capture_output=True,
    )
    one = read(tmp_path / "one.jsonl")
    assert one.prompt == "Wie backt man Brot – ohne Hefe?"
    assert one.sampling.temperature == 0
    assert one.trace is None
    run_chat(trained / "run.yaml", one.prompt, tmp_path / "2.jsonl", (9, 0.0, False), {}, [], trained / "runs")
    other = read(tmp_path / "2.jsonl")
    assert (one.trained, one.reference) == (other.trained, other.reference)


def test_a_terminal_is_asked_again_and_again(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "chat.jsonl"
    arguments = command("chat", "run.yaml", "--json", str(out))
    environ = {**environment(), "TERM": "xterm", "COLUMNS": "100"}
    child = pexpect.spawn(arguments[0], arguments[1:], cwd=str(trained), env=environ, encoding="utf-8", timeout=300)
    child.expect("/quit or Ctrl-D ends")
    child.expect("> ")
    child.sendline(PROMPT)
    child.expect(r"reference \(\d+ tokens.*trained \(\d+ tokens")
    child.expect("by principle")
    child.expect("> ")
    child.sendline("x " * 9000)  # fits into no model: said, and the next prompt is asked for
    child.expect("tokens")
    child.expect("> ")
    child.sendline("And about rivers?")
    child.expect("by principle")
    child.expect("> ")
    child.sendline("/quit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert [json.loads(line)["prompt"] for line in out.read_text().splitlines()] == [PROMPT, "And about rivers?"]


def test_ctrl_d_ends(trained: Path) -> None:
    arguments = command("chat", "run.yaml", "--no-trace")
    child = pexpect.spawn(arguments[0], arguments[1:], cwd=str(trained), env=environment(), timeout=300)
    child.expect("> ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_without_a_recording_the_answers_come_and_one_sentence_says_why_no_trace(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(trained, tmp_path)
    shutil.rmtree(folder / "runs/tiny/50-recording")
    found, said = asked(folder, tmp_path / "one.jsonl"), capsys.readouterr().out
    assert found.trace is None
    assert found.untraced is not None
    assert found.trained.text.strip() in said
    (line,) = [line for line in said.splitlines() if line.startswith("no trace: ")]
    assert "50-recording" in line


def test_equal_answers_have_nothing_to_trace(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copy_of(trained, tmp_path)
    model = load_run(trained / "run.yaml", {}).model
    shutil.copy(Path(model) / "model.safetensors", folder / "runs/tiny/50-policy/model.safetensors")
    found, said = asked(folder, tmp_path / "one.jsonl"), capsys.readouterr().out
    assert found.trained == found.reference
    assert f"no trace: {SAME}" in said


def test_what_cannot_be_is_one_sentence(trained: Path) -> None:
    def refused(*arguments: object) -> str:
        result = preceptor("chat", "run.yaml", *arguments, cwd=trained)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        return result.stderr

    assert "--prompt: no prompt" in refused("--prompt", "  ")
    untrained = refused("--prompt", "x", "--name", "other")
    assert "`chat` reads model.safetensors, which `train` makes, but there is no " in untrained
    assert "runs/other/50-policy/model.safetensors in" in untrained
    assert ": run `preceptor run run.yaml --name other`" in untrained
    assert not (trained / "runs/other").exists()


def test_what_a_model_says_is_printed_without_its_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    evil = Said(text="\x1b]0;owned\x07red\u202e\x1b[31m", finish="stop", tokens=1)
    both = {"reference": evil, "trained": evil}
    exchange = Exchange(prompt="x", sampling=Sampling(), seed=0, trace=None, untraced=SAME, **both)
    for live in (False, True):
        console = Console()
        console.live = live
        show(console, exchange)
        said = capsys.readouterr().out
        assert "]0;ownedred[31m" in said.replace("\n", "")
        assert not set("\x1b\x07\u202e") & set(said)
