"""What a run file names and cannot be used is said at the line and column that name it."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from constitution.errors import ConfigError, DataError, PreceptorError
from constitution.load import load_constitution
from generate.engine import ModelRef
from generate.models import resolve_model
from generate.named import named_in
from generate.prompts import load_prompts
from generate.record_files import located
from tests.runs import preceptor, write_run

RUN = """\
name: a
constitution: laws/none.yaml
prompts: {train: trian.jsonl, heldout: empty}
model: bundled:nobody
judges:
  far: {kind: reward-model, model: ./nowhere}
"""
CASES: list[tuple[Callable[[Path], object], str]] = [
    (lambda base: load_constitution(base / "laws/none.yaml"), "2:15: `constitution`: laws/none.yaml: there is no such file"),
    (lambda base: load_prompts(located(base, "trian.jsonl")), "3:18: `prompts.train`: trian.jsonl: there is no such file"),
    (lambda base: load_prompts(located(base, "empty")), "3:40: `prompts.heldout`: empty: a folder without prompts"),
    (lambda base: resolve_model("bundled:nobody"), "4:8: `model`: there is no bundled model `bundled:nobody`; there is:"),
    (lambda base: resolve_model("./nowhere"), "6:36: `judges.far.model`: the model folder `./nowhere` does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "said"), CASES)
def test_where_the_run_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    run_file = Path("run.yaml")
    run_file.write_text(RUN)
    with pytest.raises(ConfigError) as caught, named_in(run_file):
        use(tmp_path.resolve())
    assert str(caught.value).startswith(f"run.yaml:{said}")


def test_what_the_file_does_not_name_stays_as_it_is(tmp_path: Path) -> None:
    run_file = tmp_path / "run.yaml"
    run_file.write_text(RUN)
    with pytest.raises(DataError, match=r"other.jsonl: there is no such file"), named_in(run_file):
        load_prompts(tmp_path / "other.jsonl")
    run_file.write_text("a: [")
    with pytest.raises(PreceptorError, match=r"^\S*trian.jsonl: there is no such file"), named_in(run_file):
        load_prompts(tmp_path / "trian.jsonl")


def test_check_with_a_run_says_which_line_names_what_is_not_there(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    path = tmp_path / "run.yaml"
    path.write_text(path.read_text().replace("train: train.jsonl", "train: trian.jsonl"))
    done = preceptor("constitution", "check", "constitution.yaml", "--run", "run.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("run.yaml:3:18: `prompts.train`: trian.jsonl: there is no such file\n")


@pytest.mark.parametrize("words", [("run",), ("run", "--dry-run"), ("generate",)])
def test_every_command_says_it(tmp_path: Path, tiny_model: ModelRef, words: tuple[str, ...]) -> None:
    write_run(tmp_path, tiny_model.path)
    text = (tmp_path / "run.yaml").read_text(encoding="utf-8")
    (tmp_path / "run.yaml").write_text(text.replace("train.jsonl", "trian.jsonl"), encoding="utf-8")
    command, *flags = words
    said = preceptor(command, "run.yaml", *flags, cwd=tmp_path)
    assert said.returncode == 2
    assert said.stderr.startswith("run.yaml:3:18: `prompts.train`: trian.jsonl: there is no such file"), said.stderr
