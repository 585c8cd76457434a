"""A forked command ends and says what one in a process that was started anew does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.forked import OF_ALL, can_fork, run_forked
from tests.runs import command, environment, write_run


@pytest.mark.parametrize(
    "words",
    [("--version",), ("judge", "none.yaml"), ("label", "run.yaml"), ("run", "run.yaml", "--dry-run"), ("nonsense",)],
)
def test_a_forked_command_ends_and_says_what_a_new_one_does(words: tuple[str, ...], tmp_path: Path) -> None:
    write_run(tmp_path, "bundled:smollm2-135m-instruct")
    new = subprocess.run(command(*words), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    forked = run_forked(words, tmp_path, environment(), 100)
    assert (forked.returncode, forked.stdout, forked.stderr) == (new.returncode, new.stdout, new.stderr)


def test_what_libraries_read_as_they_are_imported_is_not_forked_over() -> None:
    plain = environment() | {"OMP_NUM_THREADS": "1"} | OF_ALL
    assert not can_fork(plain | {"HF_HOME": "/elsewhere"})
    assert not can_fork(plain | {"OMP_NUM_THREADS": "2"})
    assert can_fork(plain | {"PYTEST_CURRENT_TEST": "one", "OPENAI_API_KEY": "x"}) == can_fork(plain)
