"""The command line from outside: real argv, real processes, exact messages."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.errors import ConfigError, DataError, StoreError, disk_trouble
from constitution.files import read_records, write_atomically
from generate.engine import ModelRef
from generate.records import Pair
from pipeline.console import duration, printable
from pipeline.folder import RunFolder
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


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    with (Path(__file__).resolve().parent.parent / "pyproject.toml").open("rb") as file:
        expected = tomllib.load(file)["project"]["version"]
    for words in (("--version",), ("--version", "run")):
        result = preceptor(*words, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, f"preceptor {expected}\n")


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
        ("train.bta=0.2", "--set train.bta: unknown key `bta`; did you mean `beta`?\n    train.bta=0.2\n          ^"),
        ("train.beta", "--set: `train.beta` must look like train.beta=0.2"),
        ("train.beta=-1", "--set train.beta: `beta`: must be above 0, found the number `-1`"),
        ("train.beta=abc", "--set train.beta: `beta`: expected a number, found the text `abc`"),
        ('train.beta="0.2"', "--set train.beta: `beta`: expected a number, found the text `0.2`; take the quotes away"),
        ("train.beta=", "--set train.beta: `beta`: expected a number, found nothing"),
        ("train.beta=[1", "--set train.beta: this `[` is not closed, or a comma is missing after an item"),
        ("train.epochs=true", "--set train.epochs: `epochs`: expected a whole number, found `true`"),
        ("seed=true", "--set seed: `seed`: expected a whole number, found `true`"),
        ("seed=1.0", "--set seed: `seed`: expected a whole number, found the number `1.0`\n    seed=1.0\n         ^"),
        ("beta=1", "--set beta: unknown key `beta` here; it belongs under `train`"),
        ("trane.beta=1", "--set trane.beta: unknown key `trane`; did you mean `train`?"),
        ("name=A b", "--set name: `name`: expected lower-case letters, digits and single hyphens, a letter first"),
        ("name.x=1", "--set name.x: `name` is not a group of settings"),
        ("train.tau=0.3", "--set train.tau: `tau` belongs to loss `ipo`"),
        ("judges.rules={kind: rulez}", "--set judges.rules: `kind`: expected one of `rules`, `llm`, `recorded`"),
        ("seed=*a", "--set seed: aliases are not used here"),
    ],
)
def test_a_wrong_setting_flag_is_refused_as_the_file_would_be(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run(write_run(tmp_path, "nowhere"), {}, [setting])
    assert str(caught.value).startswith(message)


def test_every_wrong_flag_is_named_at_once(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    with pytest.raises(ConfigError) as caught:
        load_run(run_file, {"name": "A", "seed": -1}, ["train.beta=abc", "generate={samples: 70, smpling: 1}"])
    assert [problem.file for problem in caught.value.problems] == [
        "--name",
        "--seed",
        "--set train.beta",
        "--set generate",
        "--set generate",
    ]
    with pytest.raises(ConfigError, match=r"^--judge: `judge` is `rulez`, but the file defines only: reader, rules"):
        load_run(run_file, {"judge": "rulez"})
    with pytest.raises(ConfigError, match=r"^--judge: `judge` is `rulez`, but"):
        load_run(run_file, {"name": "other", "judge": "rulez"}, ["seed=4"])
    with pytest.raises(ConfigError, match=r"^--set judges: `judge` is `rules`, but the file defines only: other"):
        load_run(run_file, {"name": "other"}, ["judges={other: {kind: rules}}", "second_opinion=null"])
    with pytest.raises(ConfigError, match=r"^--set train\.loss, --set train\.beta: `beta` belongs to loss "):
        load_run(run_file, {}, ["train.loss=ipo", "train.beta=0.2"])


@pytest.mark.parametrize("flags", [{}, {"name": "other"}, {"judge": "reader"}], ids=str)
def test_a_name_that_there_is_no_entry_of_is_shown_where_it_stands(tmp_path: Path, flags: dict[str, object]) -> None:
    run_file = write_run(tmp_path, "nowhere")
    good = run_file.read_text()
    for old, new, place, said in (
        ("judge: rules\n", "judge: ruls\n", "13:8", "`judge` is `ruls`, but the file defines only: reader, rules"),
        ("{judge: reader,", "{judge: readr,", "14:25", "`second_opinion.judge` is `readr`"),
        ("engine: embedded", "engine: embeded", "12:31", "`judges.reader.engine` is `embeded`"),
    ):
        run_file.write_text(good.replace(old, new))
        with pytest.raises(ConfigError) as caught:
            load_run(run_file, flags)
        assert str(caught.value).startswith(f"{run_file}:{place}: {said}")


def test_flags_build_on_one_another_and_on_the_file(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    given = ["train={loss: ipo}", "train.tau=2e-1", "train.lora.r=2", "judges.strict={kind: rules,\nconfidence: 9}"]
    found = load_run(run_file, {"judge": "strict"}, given)
    assert (found.train.loss, found.train.tau, found.train.lora.r, found.judge) == ("ipo", 0.2, 2, "strict")
    assert sorted(found.judges) == ["reader", "rules", "strict"]
    assert "beta" not in found.train.model_fields_set
    run_file.write_text(run_file.read_text().replace("seed: 3", "seed: x"))
    with pytest.raises(ConfigError, match=r"run\.yaml:5:7: `seed`: expected a whole number"):
        load_run(run_file, {"seed": 4})


def test_a_setting_of_a_judge_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    with pytest.raises(ConfigError) as caught:
        load_run(run_file, {}, ["judges.rule.confidence=2"])
    kinds = "one of `rules`, `llm`, `recorded`, `reward-model`"
    assert str(caught.value).startswith(
        f"--set judges.rule.confidence: the key `kind` is missing in `rule`: {kinds}; the run file has no entry "
        "`rule`, only `reader`, `rules`"
    )
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
    (tmp_path / "one.yaml").write_text("name: one\nprinciples: [{id: a, text: b}]\n", encoding="utf-8")
    assert "one.yaml: 1 principle, rule" in preceptor("constitution", "check", "one.yaml", cwd=tmp_path).stdout


def test_constitution_schema_is_the_shipped_file(tmp_path: Path) -> None:
    result = preceptor("constitution", "schema", cwd=tmp_path)
    shipped = Path(__file__).resolve().parent.parent / "constitution" / "schema.json"
    assert result.stdout == shipped.read_text(encoding="utf-8")


def test_a_stage_alone_names_the_stage_that_it_needs(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    result = preceptor("label", run_file, cwd=tmp_path)
    assert result.returncode == 2
    assert f"run `preceptor generate {run_file}` first, or `preceptor run {run_file}` for all" in result.stderr


def test_terminal_text_loses_escapes_and_overrides() -> None:
    assert printable("a\x1b[31mred\u202eback\x07\nb\tc") == "a[31mredback\nb\tc"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75.4, "1:15"), (3700, "1:01:40")])
def test_durations_are_clock_like(seconds: float, text: str) -> None:
    assert duration(seconds) == text


LONG = "x" * 300
MISTAKEN: list[tuple[str, str, tuple[str, ...], str]] = [
    ("", "", ("run", "run.yaml", "--dry-run", "--runs", LONG), "File name too long"),
    ("", "", ("run", "run.yaml", "--dry-run", "--runs", "train.jsonl"), "Not a directory"),
    ("", "", ("compare", LONG, "run.yaml"), "File name too long"),
    ("", "", ("export", "run.yaml", "--format", "trl", "--out", LONG), "File name too long"),
    ("", "", ("export", "run.yaml", "--format", "model", "--out", "train.jsonl"), "train.jsonl: this is a file"),
    ("", "", ("export", "run.yaml", "--out", ""), "--out: must not be empty"),
    ("train: train.jsonl", f"train: {LONG}", ("run", "run.yaml", "--dry-run"), "File name too long"),
    ("train: train.jsonl", "train: reference://x", ("run", "run.yaml", "--dry-run"), "reference://x: cannot be read"),
    (
        "prompts: {train: train.jsonl, ",
        f"pairs: {LONG}\nprompts: {{",
        ("run", "run.yaml", "--dry-run"),
        "name too long",
    ),
]


@pytest.mark.parametrize(("old", "new", "words", "said"), MISTAKEN)
def test_a_path_that_cannot_be_is_one_sentence(
    tiny_model: ModelRef, tmp_path: Path, old: str, new: str, words: tuple[str, ...], said: str
) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    run_file.write_text(run_file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    result = preceptor(*words, cwd=tmp_path)
    assert (result.returncode, "Traceback" in result.stderr) == (2, False), result.stderr[-2000:]
    assert said in result.stderr
    assert len(result.stderr) < 1500
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("gone/there")])
def test_a_run_folder_whose_lock_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / ".lock")
    with pytest.raises(StoreError, match=r"\.lock: this is no file"), RunFolder(tmp_path).locked():
        pass


def test_records_in_a_pipe_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "20-pairs.jsonl")
    with pytest.raises(DataError, match="this is a pipe or a device"):
        read_records(tmp_path / "20-pairs.jsonl", Pair)


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_folder_is_not_written_over(name: str) -> None:
    with pytest.raises(StoreError, match="this is a folder, a file was expected"):
        write_atomically(Path(name), "x")


def test_what_is_no_mistake_in_a_path_keeps_its_traceback() -> None:
    assert disk_trouble(ValueError("embedded null byte")) == "a path holds a null character, which no file's name can"
    assert disk_trouble(OSError(errno.ELOOP, "Too many levels", "a/b")) == "a/b: Too many levels"
    assert [disk_trouble(OSError("socket closed")), disk_trouble(ValueError("x"))] == [None, None]
