"""Nothing hostile is accepted: every input of benchmarks/hostile is refused in one message, or comes out harmless."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.hostile import model_files, names, places, records, tables, templates, texts, verdicts, yaml_files
from benchmarks.hostile.case import Case, try_case
from benchmarks.hostile.table import all_cases
from constitution.errors import MOST_SHOWN, ConfigError, DataError, PreceptorError, Problem

KINDS = (yaml_files, templates, names, model_files, records, places, tables, verdicts, texts)
MODULES = {module.__name__.rpartition(".")[2]: module for module in KINDS}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name here may be looked up on the hub."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("kind", MODULES)
def test_nothing_hostile_gets_through(kind: str, tmp_path: Path) -> None:
    faults = []
    for number, case in enumerate(MODULES[kind].cases()):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = try_case(case, folder)
        if outcome.verdict in ("accepted", "uncaught"):
            faults.append(f"{case.kind}, {case.name}: {outcome.verdict}: {outcome.said[:200]}")
    assert faults == []


def test_there_are_as_many_as_promised_and_none_twice() -> None:
    cases = all_cases()
    assert len(cases) >= 300
    assert [name for name, count in Counter((case.kind, case.name) for case in cases).items() if count > 1] == []


def outcome_of(attack: object, tmp_path: Path) -> str:
    assert callable(attack)
    return try_case(Case("kind", "name", attack), tmp_path).verdict


def test_the_trial_tells_the_four_ways_apart(tmp_path: Path) -> None:
    """What would be a hole in Preceptor is seen as one."""

    def raising(error: Exception) -> object:
        def attack(_: Path) -> None:
            raise error

        return attack

    long = PreceptorError("x" * 30_000)
    silent = DataError("  ")
    assert outcome_of(lambda _: None, tmp_path) == "harmless"
    assert outcome_of(lambda _: "loaded", tmp_path) == "accepted"
    assert outcome_of(raising(DataError("no such file")), tmp_path) == "refused"
    assert outcome_of(raising(ValueError("ours or not?")), tmp_path) == "uncaught"
    assert [outcome_of(raising(error), tmp_path) for error in (long, silent)] == ["accepted"] * 2


def test_an_error_is_safe_to_print_whatever_it_quotes() -> None:
    said = str(DataError("no model `\x1b[31m\x00a\u202eb`\nsecond\tline"))
    assert said == "no model `�[31m�a�b`\nsecond line"


def test_a_file_with_thousands_of_faults_has_a_message_of_readable_length() -> None:
    problems = [Problem("x.yaml", n, 1, "unknown key") for n in range(1, 2001)]
    error = ConfigError(problems)
    assert str(error).count("unknown key") == MOST_SHOWN
    assert str(error).endswith(f"\nand {2000 - MOST_SHOWN} more")
    assert len(error.problems) == 2000
