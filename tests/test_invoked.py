"""Commands that messages give can be typed as they stand; commands that come too early leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import preceptor, write_run


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--out", "pairs.json"),
        ("export", "--format", "model", "--out", "model"),
        ("chat", "--prompt", "x"),
        ("trace",),
        ("trace", "--pair", "a"),
        ("trace", "--behaviour", "short"),
        ("whatif", "--drop", "short"),
        ("conflicts",),
        ("ablate",),
        ("constitution", "diff"),
    ],
)
def test_what_needs_a_finished_run_names_the_one_command_that_makes_it(words: tuple[str, ...], tmp_path: Path) -> None:
    write_run(tmp_path / "my folder", "nowhere").rename(tmp_path / "my folder" / "mine.yaml")
    file, flags = Path("my folder/mine.yaml"), ("--name", "early", "--runs", "elsewhere")
    law = file.with_name("constitution.yaml")
    given = (*words, law, law, "--run", file) if words[0] == "constitution" else (words[0], file, *words[1:])
    result = preceptor(*given, *flags, cwd=tmp_path)
    assert result.returncode == 2
    assert "run `preceptor run 'my folder/mine.yaml' --name early --runs elsewhere` first" in result.stderr
