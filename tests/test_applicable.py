"""What would stop a run at `judge` stops it before the first answer is sampled, in a dry run and in a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitution.errors import ConfigError, JudgeError, PreceptorError
from generate.engine import ModelRef
from pipeline.run import run_pipeline
from tests.runs import write_run
from tests.test_run import edit

CHECK = "    check: {type: words, min: 1, max: 6, scale: 6}\n"


@pytest.fixture
def fresh(tiny_model: ModelRef, tmp_path: Path) -> Path:
    write_run(tmp_path, tiny_model.path)
    return tmp_path


def go(folder: Path, *stages: str, dry: bool = False, judge: str | None = None) -> None:
    run_pipeline(stages or None, folder / "run.yaml", {"judge": judge}, (), folder / "runs", dry)


def refused(folder: Path, said: str, kind: type[PreceptorError], judge: str | None = None) -> None:
    for dry in (True, False):
        with pytest.raises(kind) as caught:
            go(folder, dry=dry, judge=judge)
        assert said in str(caught.value)
        assert not (folder / "runs" / "tiny" / "20-samples.sqlite").exists(), "no answer was sampled"


def test_a_constitution_that_is_not_there(fresh: Path) -> None:
    edit(fresh / "run.yaml", "constitution: constitution.yaml", "constitution: const.yaml")
    refused(fresh, "const.yaml", PreceptorError)


def test_a_fault_in_the_constitution(fresh: Path) -> None:
    edit(fresh / "constitution.yaml", "weight: 2", "wieght: 2")
    refused(fresh, "constitution.yaml:6:5: unknown key `wieght`", ConfigError)
    with pytest.raises(ConfigError):
        go(fresh, "generate", dry=True)


def test_a_principle_without_a_check_under_the_rules(fresh: Path) -> None:
    edit(fresh / "constitution.yaml", CHECK, "")
    refused(fresh, "judge `rules` applies the principles' checks, but these have none: short", JudgeError)
    go(fresh, "generate", dry=True)


def test_a_principle_without_a_check_where_only_the_second_opinion_needs_one(fresh: Path) -> None:
    edit(fresh / "constitution.yaml", CHECK, "")
    edit(fresh / "run.yaml", "second_opinion: {judge: reader", "second_opinion: {judge: rules")
    refused(fresh, "judge `rules`", JudgeError, judge="reader")


def test_a_principle_without_a_check_where_only_behaviour_is_measured_by_rules(fresh: Path) -> None:
    edit(fresh / "constitution.yaml", CHECK, "")
    edit(fresh / "run.yaml", "behaviour: {", "behaviour: {judge: rules, ")
    edit(fresh / "run.yaml", "judge: rules\nsecond", "judge: reader\nsecond")
    refused(fresh, "judge `rules`", JudgeError)


def test_a_template_with_a_fault(fresh: Path) -> None:
    (fresh / "mine.j2").write_text("{% block case %}{{ conversation", encoding="utf-8")
    edit(fresh / "run.yaml", "readout: direct", "readout: direct, template: mine.j2")
    refused(fresh, "mine.j2", PreceptorError)


def test_opinions_that_are_not_there_of_the_source_of_one_principle(fresh: Path) -> None:
    edit(fresh / "constitution.yaml", "text: The answer is short.", "text: The answer is short.\n    source: people")
    edit(fresh / "run.yaml", "judge: rules\nsecond", "sources: {people: them}\njudge: rules\nsecond")
    edit(fresh / "run.yaml", "  rules: {", "  them: {kind: recorded, file: opinions.jsonl}\n  rules: {")
    refused(fresh, "opinions.jsonl", PreceptorError)


def test_a_judge_is_no_second_opinion_on_itself(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stage in ("generate", "judge"):
        go(fresh, stage)
    capsys.readouterr()
    go(fresh, dry=True, judge="reader")
    said = capsys.readouterr().out
    assert said.count("second-opinion") == 1
    assert (
        "second-opinion: left out: judge `reader` labels this run, and a judge is no second opinion on itself" in said
    )
    assert said.count("votes wanted") == 1
    assert "compared with" not in said
    go(fresh, "second-opinion", judge="reader")
    assert "left out" in capsys.readouterr().out
    assert not (fresh / "runs" / "tiny" / "30-second-opinion.json").exists()
    edit(fresh / "run.yaml", "second_opinion: {judge: reader, pairs: 3}\n", "")
    with pytest.raises(PreceptorError, match="no `second_opinion`"):
        go(fresh, "second-opinion")
