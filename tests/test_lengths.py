"""A prompt that is too long is found before the first answer is sampled, wherever it stands."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from constitution.errors import DataError
from generate.engine import ModelRef
from generate.lengths import check_lengths, model_context
from generate.records import Prompt
from generate.settings import TransformersEngine, VllmEngine
from tests.runs import preceptor, write_run

HERE, FAST = TransformersEngine(type="transformers"), VllmEngine(type="vllm", max_model_len=64)


def prompts(count: int, words: int) -> list[Prompt]:
    return [Prompt(id=f"{words}-{i}", prompt=f"{i} " + "rain " * words) for i in range(count)]


def test_all_batches_are_looked_at_and_the_first_ten_named(tiny_model: ModelRef) -> None:
    fit, long = prompts(5, 1), prompts(12, 600)
    check_lengths([fit, fit], tiny_model, HERE, 6)
    with pytest.raises(DataError) as caught:
        check_lengths([fit, long[:7], fit, long[7:]], tiny_model, HERE, 6)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[10] == "and 2 more"
    assert f"that exceeds the model's {model_context(tiny_model)}: shorten the prompt or lower" in lines[0]
    assert lines[9].startswith("the prompt that starts `9 rain")


def test_an_engines_own_limit_counts(tiny_model: ModelRef) -> None:
    middling = prompts(1, 30)
    check_lengths([middling], tiny_model, HERE, 6)
    with pytest.raises(DataError, match="exceeds the model's 64"):
        check_lengths([middling], tiny_model, FAST, 40)


def test_generate_stops_before_it_samples(tiny_model: ModelRef, tmp_path: Path) -> None:
    run_file = write_run(tmp_path, tiny_model.path)
    rows = [{"id": f"p{i}", "prompt": f"What is {i}?"} for i in range(100)]
    rows.append({"id": "long", "prompt": "And rain? " * 600})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = preceptor("generate", run_file, cwd=tmp_path)
    assert (result.returncode, "the prompt that starts `And rain? " in result.stderr) == (2, True)
    with closing(sqlite3.connect(tmp_path / "runs/tiny/20-samples.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM records").fetchone() == (0,)
