"""The command line from outside: real argv, real processes, exact messages."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from constitution.errors import ConfigError
from pipeline.console import duration, printable
from pipeline.load import load_run
from tests.runs import environment, preceptor, write_run


@pytest.mark.timed
def test_help_needs_neither_torch_nor_half_a_second(tmp_path: Path) -> None:
    code = "import sys, pipeline.cli; sys.exit(bool({'torch', 'transformers', 'vllm', 'outlines'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), cwd=tmp_path, check=False).returncode == 0
    times = []
    for _ in range(5):
        started = time.monotonic()
        result = preceptor("--help", cwd=tmp_path)
        times.append(time.monotonic() - started)
        assert result.returncode == 0
    assert "second-opinion" in result.stdout
    assert min(times) < 0.5, times


def test_stages_that_need_no_model_load_no_torch(tmp_path: Path) -> None:
    code = "import sys, pipeline.run; sys.exit(bool({'torch', 'transformers', 'datasets', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), cwd=tmp_path, check=False).returncode == 0


def test_an_unknown_key_is_one_sentence_with_its_place(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    text = run_file.read_text(encoding="utf-8").replace("learning_rate", "learning_rat")
    run_file.write_text(text, encoding="utf-8")
    line = next(i for i, row in enumerate(text.splitlines(), start=1) if "learning_rat:" in row)
    column = text.splitlines()[line - 1].index("learning_rat") + 1
    result = preceptor("run", run_file, cwd=tmp_path)
    assert result.returncode == 2
    assert f"run.yaml:{line}:{column}: " in result.stderr
    assert "learning_rate" in result.stderr.split("learning_rat", 1)[1]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_flags_win_over_yaml_and_yaml_over_defaults(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    plain = load_run(run_file, {})
    assert (plain.seed, plain.train.beta, plain.train.epochs) == (3, 0.1, 4)
    changed = load_run(run_file, {"seed": 7, "name": None}, ["train.beta=0.5", "train.lora.r=2"])
    assert (changed.seed, changed.name, changed.train.beta, changed.train.lora.r, changed.train.epochs) == (
        7,
        "tiny",
        0.5,
        2,
        4,
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.bta=0.2", "train.bta: no such setting; did you mean `beta`?"),
        ("train.beta", "`train.beta` must look like train.beta=0.2"),
        ("train.beta=-1", "train.beta: Input should be greater than 0"),
        ("name.x=1", "`name` in `name.x=1` is not a group of settings"),
        ("train.tau=0.3", "`tau` belongs to loss `ipo`"),
    ],
)
def test_a_wrong_setting_flag_says_what_is_wrong(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run(write_run(tmp_path, "nowhere"), {}, [setting])
    assert message in str(caught.value)


def test_a_setting_of_a_judge_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    with pytest.raises(ConfigError) as caught:
        load_run(run_file, {}, ["judges.rule.confidence=2"])
    known = ", ".join(sorted(load_run(run_file, {}).judges))
    said = f"judges.rule: the run file has no such entry (it has: {known}), and in a new one the key `kind` is missing"
    assert said in str(caught.value)
    with pytest.raises(ConfigError, match=r"judges\.rules: the key `kind` is missing"):
        load_run(run_file, {}, ["judges.rules={confidence: 2}"])


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/b", "nul\0", "A", "x" * 300, "..", "-dash"])
def test_a_run_cannot_be_named_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        load_run(write_run(tmp_path, "nowhere"), {"name": name})


def test_constitution_check_counts_and_lists(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    result = preceptor("constitution", "check", "constitution.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert "3 principles, rule weighted_mean" in result.stdout
    assert "short: 50% of the weight, general, every prompt, check words" in result.stdout


def test_constitution_schema_is_the_shipped_file(tmp_path: Path) -> None:
    result = preceptor("constitution", "schema", cwd=tmp_path)
    shipped = Path(__file__).resolve().parent.parent / "constitution" / "schema.json"
    assert result.stdout == shipped.read_text(encoding="utf-8")


def test_a_stage_alone_names_the_stage_that_it_needs(tmp_path: Path) -> None:
    result = preceptor("label", write_run(tmp_path, "nowhere"), cwd=tmp_path)
    assert result.returncode == 2
    assert "run `preceptor generate` with this run file first" in result.stderr


def test_terminal_text_loses_escapes_and_overrides() -> None:
    assert printable("a\x1b[31mred\u202eback\x07\nb\tc") == "a[31mredback\nb\tc"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75.4, "1:15"), (3700, "1:01:40")])
def test_durations_are_clock_like(seconds: float, text: str) -> None:
    assert duration(seconds) == text
