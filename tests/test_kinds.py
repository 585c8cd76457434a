"""A run file given as a constitution, and the other way round: one sentence, and not every key that the other lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitution.errors import ConfigError
from constitution.load import load_constitution
from pipeline.load import load_run
from tests.runs import CONSTITUTION, preceptor, write_run


@pytest.mark.parametrize("named", ["constitution.yaml", "[a, b]"])
def test_a_run_file_in_the_place_of_a_constitution_is_one_sentence(named: str, tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    text = run_file.read_text(encoding="utf-8").replace("constitution.yaml", named).replace("seed", "sed")
    run_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_constitution(run_file)
    meant = "the one that it names" if named == "[a, b]" else tmp_path / named
    said = f"this is a run file, a constitution was expected: give {meant} instead"
    assert [(p.line, p.column, p.message) for p in caught.value.problems] == [(2, 15, said)]


@pytest.mark.parametrize("text", [CONSTITUTION, CONSTITUTION.replace("weight", "wieght"), "#\nname: x\nextends: y\n"])
def test_a_constitution_in_the_place_of_a_run_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "constitution.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_run(tmp_path / "constitution.yaml", {}, ["seed=3"])
    said = "this is a constitution, a run file was expected: give the run file that names it under `constitution:`"
    assert [(p.line, p.column, p.message) for p in caught.value.problems] == [(3, 1, said)]


def test_a_file_with_keys_of_both_kinds_is_told_all_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "constitution.yaml"
    file.write_text(CONSTITUTION + "constitution: c.yaml\nmodel: m\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown key `constitution`"):
        load_constitution(file)
    with pytest.raises(ConfigError, match="the key `prompts` is missing"):
        load_run(file, {})


def test_the_commands_say_it(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    for words in (("constitution", "check", "run.yaml"), ("run", "constitution.yaml", "--dry-run")):
        result = preceptor(*words, cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr.count(" was expected: give ") == 1
        assert len(result.stderr.splitlines()) == 3, "the sentence, the line and the caret"
