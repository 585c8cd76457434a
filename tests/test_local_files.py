"""Data of this machine: the same by path and by URL, and never what lies outside the folder that was named."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import generate.tables
from constitution.errors import ConfigError, DataError
from generate.prompts import load_prompts
from generate.record_files import places
from generate.tables import table_rows
from judge.imports.found import Request
from judge.imports.json_values import elements
from judge.imports.read import import_preferences
from judge.imports.rows import read_whole

LINE = '{"id": "a", "prompt": "x"}\n'


@pytest.mark.parametrize("before", ["", "file://", "local://", "simplecache::file://", "filecache::local://"])
def test_a_folder_is_the_same_by_path_and_by_url(before: str, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for place in ("b.jsonl", "a.jsonl", "below/c.jsonl"):
        (tmp_path / place).write_text(LINE)
    found = places(f"{before}{tmp_path}", "prompts")
    assert [(place.name, place.system) for place in found] == [(f"{tmp_path}/{n}.jsonl", None) for n in "ab"]


@pytest.mark.parametrize("before", ["", "file://"])
def test_a_link_out_of_the_folder_is_named_and_not_read(before: str, tmp_path: Path) -> None:
    (tmp_path / "private.jsonl").write_text(LINE)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.jsonl").symlink_to("../private.jsonl")
    with pytest.raises(DataError, match=r"data/a\.jsonl: a link to .*private\.jsonl, which is outside the folder"):
        load_prompts(f"{before}{folder}")
    with pytest.raises(DataError, match="outside the folder"):
        import_preferences(Request(format="trl", sources=(str(folder),)), tmp_path / "imported")
    assert len(load_prompts(f"{before}{folder}/a.jsonl")) == 1  # who names a link means it


def test_links_may_stay_inside_and_lead_to_the_files_of_a_snapshot(tmp_path: Path) -> None:
    snapshot, inside = tmp_path / "datasets--a--b/snapshots/0123", tmp_path / "inside"
    for folder in (snapshot, snapshot.parent.parent / "blobs", inside, inside / "files"):
        folder.mkdir(parents=True)
    (snapshot.parent.parent / "blobs/f00").write_text(LINE)
    (snapshot / "a.jsonl").symlink_to("../../blobs/f00")
    (inside / "files/x").write_text(LINE)
    (inside / "a.jsonl").symlink_to("files/x")
    assert len(load_prompts(snapshot)) == len(load_prompts(inside)) == 1


@pytest.mark.parametrize("before", ["file://", "simplecache::file://", "zip://x.jsonl::"])
def test_a_pipe_at_a_url_is_not_waited_for(before: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="a pipe or a device"):
        load_prompts(f"{before}{tmp_path}/a.jsonl")


def test_a_disk_that_fails_while_a_file_is_read_is_one_sentence() -> None:
    with pytest.raises(DataError, match="/proc/self/mem: cannot be read"):
        load_prompts("/proc/self/mem")
    with pytest.raises(DataError, match="/proc/self/mem: cannot be read"):
        read_whole("/proc/self/mem")


def test_a_row_that_python_cannot_hold_is_one_sentence_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"day": pa.array([0] * 1000 + [2**31 - 1], pa.date32())}), path)
    with path.open("rb") as stream, pytest.raises(DataError, match="can be read after row 1000 ") as caught:
        list(table_rows(stream, str(path)))
    assert "\n" not in str(caught.value)


def test_fewer_rows_at_once_are_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"n": list(range(2500))}), path, row_group_size=1100)
    for most in (1, 20_000, 2**40):
        monkeypatch.setattr(generate.tables, "BYTES_AT_ONCE", most)
        with path.open("rb") as stream:
            assert [(row.number, row.value["n"]) for row in table_rows(stream, "t")] == [
                (n + 1, n) for n in range(2500)
            ]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ('[{"a": 1}] {"a": 2}', 12, "expected nothing after the array"),
        ('[{"a": 1}, ]', 12, "expected a row after `,`"),
    ],
)
def test_no_row_after_an_array_is_lost(text: str, column: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(elements(text, "x.json"))
    (problem,) = caught.value.problems
    assert (problem.column, problem.message) == (column, said)
