"""The same prompts from every place and form that they can be in, and one sentence for what is no prompt."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from constitution.errors import ConfigError, DataError
from constitution.identity import digest, rows_digest
from generate.prompts import check_disjoint, check_prompts, load_prompts, prompt_source
from generate.record_files import located
from generate.records import Message, Prompt

ROWS: list[dict[str, object]] = [
    {"id": "a", "prompt": "How do I make tea?", "tags": ["kitchen"]},
    {"id": "b", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Ü?"}]},
    {"id": "c", "prompt": "What is rain?"},
]
PROMPTS = [Prompt.model_validate(row) for row in ROWS]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    parquet.write_table(pa.Table.from_pylist(rows), path)


def test_every_form_gives_the_same_prompts(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(LINES)
    write_parquet(tmp_path / "p.parquet", [{"messages": None, "prompt": None, "tags": None, **row} for row in ROWS])
    shards = tmp_path / "shards"
    shards.mkdir()
    write_parquet(shards / "part-0.parquet", ROWS[:1])
    (shards / "part-1.jsonl").write_bytes(b"".join(line + b"\n" for line in LINES.splitlines()[1:]))
    (shards / "README.md").write_text("not prompts")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.write(tmp_path / "p.parquet", "inside/p.parquet")
    with fsspec.open("memory://prompts/p.jsonl", "wb") as stream:
        stream.write(LINES)
    for where in (
        tmp_path / "p.jsonl",
        tmp_path / "p.parquet",
        shards,
        f"file://{tmp_path}/p.jsonl",
        f"file://{shards}",
        f"zip://inside/p.parquet::{tmp_path}/p.zip",
        f"zip://inside::{tmp_path}/p.zip",
        "memory://prompts/p.jsonl",
        "memory://prompts",
    ):
        assert load_prompts(where) == PROMPTS, where
    assert load_prompts(tmp_path / "p.parquet")[1].conversation[1] == Message(role="user", content="Ü?")


def test_a_source_is_read_anew_and_counted(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_bytes(LINES)
    source = prompt_source(tmp_path / "p.jsonl")
    assert check_prompts(source) == 3
    assert list(source) == list(source) == PROMPTS


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("memory://nowhere/p.jsonl", "memory://nowhere/p.jsonl: cannot be read|/nowhere/p.jsonl: cannot be read"),
        ("nonsense://p.jsonl", "cannot be read .*nonsense"),
        ("zip://p.jsonl::{}/none.zip", "none.zip: cannot be read"),
        ("{}/empty", "a folder without prompts"),
        ("{}/none.jsonl", "there is no such file"),
        ("{}/bad.parquet", "not a Parquet file that can be read"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(where: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=said) as caught:
        load_prompts(where.format(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_faulty_row_is_named_by_its_number_and_column(tmp_path: Path) -> None:
    write_parquet(tmp_path / "p.parquet", [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": ""}])
    with pytest.raises(ConfigError) as caught:
        load_prompts(tmp_path / "p.parquet")
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == (2, "column `prompt`: must not be empty")


def test_a_column_that_prompts_do_not_have_is_named_with_the_one_meant(tmp_path: Path) -> None:
    write_parquet(tmp_path / "p.parquet", [{"id": "a", "prompt": "x", "tgas": "b", "x" * 100_000: "c"}])
    with pytest.raises(ConfigError, match="1:1: column `tgas`: is not known here; did you mean `tags`") as caught:
        load_prompts(tmp_path / "p.parquet")
    assert len(str(caught.value)) < 1000


def test_repeats_in_another_shard_name_the_shard(tmp_path: Path) -> None:
    write_parquet(tmp_path / "1.parquet", [{"id": "a", "prompt": "x"}])
    (tmp_path / "2.jsonl").write_text('{"id": "a", "prompt": "y"}\n{"id": "b", "prompt": "x"}\n')
    with pytest.raises(ConfigError) as caught:
        load_prompts(tmp_path)
    assert [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems] == [
        f"1:8: the id `a` is already on line 1 of {tmp_path}/1.parquet",
        f"2:23: the same conversation is already on line 1 of {tmp_path}/1.parquet",
    ]


def test_a_url_is_not_relative_to_the_run_file() -> None:
    assert located(Path("/here"), "s3://bucket/p.jsonl") == "s3://bucket/p.jsonl"
    assert located(Path("/here"), "p.jsonl") == "/here/p.jsonl"


def test_the_digest_of_rows_is_that_of_their_list() -> None:
    rows = [["k", "é", ["x"]], ["l", "b", []]]
    assert rows_digest("prompts", "prompts", iter(rows)) == digest("prompts", prompts=rows)
    assert rows_digest("prompts", "prompts", []) == digest("prompts", prompts=[])


def test_memory_does_not_grow_with_the_number_of_prompts(tmp_path: Path) -> None:
    """What 20 times as many prompts need beyond the few, mostly pydantic's bounded cache of short texts: less than a
    third of what they are on disk."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        rows = (
            {"id": f"p{i}", "prompt": f"What should one know about subject {i}? {'word ' * 50}"} for i in range(count)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        tracemalloc.start()
        source = prompt_source(path)
        assert check_prompts(source) == count
        check_disjoint(source, PROMPTS)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(200), peak(4000)
    assert many - few < (tmp_path / "4000.jsonl").stat().st_size / 3
