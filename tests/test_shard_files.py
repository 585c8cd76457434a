"""Shards: all rows in their order, in files of a bounded size, and none of an earlier export's files left."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from judge.shards import SplitRow, shard_pattern, write_shards

COLUMNS = {"text": pa.string()}


def read(folder: Path, split: str) -> list[str]:
    paths = sorted(folder.parent.glob(shard_pattern(folder.name, split)))
    return [row["text"] for path in paths for row in parquet.read_table(path).to_pylist()]


@settings(max_examples=20, deadline=None)
@given(
    counts=st.lists(st.sampled_from([0, 1, 999, 1000, 1001, 2500]), min_size=2, max_size=2),
    bound=st.sampled_from([1, 20_000, 10**9]),
)
def test_every_row_once_in_its_split(tmp_path_factory: pytest.TempPathFactory, counts: list[int], bound: int) -> None:
    folder = tmp_path_factory.mktemp("shards") / "labels"
    rows = [SplitRow(name, {"text": f"{name} {n}"}) for n in range(max(counts)) for name, count in zip("ab", counts, strict=True) if n < count]  # noqa: E501  # fmt: skip
    found = write_shards(folder, COLUMNS, iter(rows), bound)
    wanted = {name: [f"{name} {n}" for n in range(count)] for name, count in zip("ab", counts, strict=True) if count}
    assert found == ({name: len(texts) for name, texts in wanted.items()} or {"train": 0})
    assert {name: read(folder, name) for name in wanted} == wanted
    if not wanted:
        assert [path.name for path in folder.iterdir()] == ["train-00000.parquet"]
        assert read(folder, "train") == []
    if bound == 1:
        files = [path for path in folder.iterdir() if path.name.startswith("a-")]
        assert len(files) == -(-counts[0] // 1000)


def test_an_earlier_exports_files_go_and_a_failed_one_leaves_no_half_file(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    write_shards(folder, COLUMNS, (SplitRow("train", {"text": "x"}) for _ in range(3000)), 1)
    assert len(list(folder.iterdir())) == 3
    write_shards(folder, COLUMNS, [SplitRow("train", {"text": "y"})])
    assert [path.name for path in folder.iterdir()] == ["train-00000.parquet"]
    with pytest.raises(ZeroDivisionError):
        write_shards(folder, COLUMNS, (SplitRow("train", {"text": str(1 // (1500 - n))}) for n in range(3000)))
    assert read(folder, "train") == ["y"]
    assert [path.name for path in folder.iterdir()] == ["train-00000.parquet"]
