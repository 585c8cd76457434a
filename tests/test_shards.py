"""Preferences in any number of files, on any file system: read as they pass, kept on disk, the same in every form."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from constitution.errors import ConfigError, DataError
from constitution.files import read_records, write_records
from constitution.scratch import Grouped
from generate.records import Pair, Prompt
from judge.imports.folder import pair_source, write_import
from judge.imports.found import Compared, Item, Request, Said
from judge.opinions import read_opinions
from pipeline.imported import gather_imported
from pipeline.model_card import imported_from
from pipeline.opened import opened_run
from pipeline.run import run_pipeline
from tests.importing import imported
from tests.judging import some_pairs

ROWS = [{"prompt": f"Why {i}?", "chosen": f"So {i}.", "rejected": "No."} for i in range(6)]


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_an_import_reads_urls_and_shards(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(lines(ROWS))
    wanted = imported("trl", tmp_path / "x.jsonl").pairs
    system = fsspec.filesystem("memory")
    system.pipe("/data/part-0.jsonl", lines(ROWS[:2]))
    table = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(ROWS[2:]), table)
    system.pipe("/data/part-1.parquet", table.getvalue().to_pybytes())
    system.pipe("/packed/x.jsonl.gz", gzip.compress(lines(ROWS)))
    for where in ("memory://data", "memory://packed/x.jsonl.gz", f"file://{tmp_path}/x.jsonl"):
        found = imported("trl", where)
        assert [pair.key for pair in found.pairs] == [pair.key for pair in wanted], where
        assert set(found.account.versions) == {where}
    system.pipe("/data/x.txt", b"?")
    with pytest.raises(DataError, match=r"rows are read of files named \.jsonl"):
        imported("trl", "memory://data/x.txt")
    with pytest.raises(DataError, match="cannot be read"):
        imported("trl", "memory://nowhere/x.jsonl")


def nested(pair: Pair) -> dict[str, object]:
    """As a table has it: every column in every row."""
    return pair.model_dump(mode="json")


def test_pairs_are_read_of_a_folder_of_shards_too(tmp_path: Path) -> None:
    pairs = some_pairs(5)
    shards = tmp_path / "shards"
    shards.mkdir()
    write_records(shards / "0.jsonl", pairs[:2])
    parquet.write_table(pa.Table.from_pylist([nested(pair) for pair in pairs[2:]]), shards / "1.parquet")
    assert list(pair_source(str(shards))) == pairs
    assert list(pair_source(f"file://{shards}")) == pairs
    (shards / "2.jsonl").write_text('{"prompt": 3}\n')
    with pytest.raises(ConfigError, match=r"2\.jsonl:1:12"):
        list(pair_source(str(shards)))


def test_a_prompts_pairs_become_neighbours_each_once_under_one_name() -> None:
    one, two, three = some_pairs(3)
    other = one.model_copy(update={"prompt": one.prompt.model_copy(update={"id": "again", "tags": ("x",)})})
    turned = one.model_copy(update={"a": one.b, "b": one.a, "prompt": other.prompt})
    with Grouped() as pairs, Grouped() as prompts:
        taken = gather_imported([one, two, other, three, turned, two], pairs, prompts)
        found = [Pair.model_validate_json(line) for line in pairs]
        assert [Prompt.model_validate_json(line) for line in prompts] == [one.prompt, two.prompt, three.prompt]
    assert found == [one, turned.model_copy(update={"prompt": one.prompt}), two, three]
    assert (taken.counts.pairs, taken.counts.prompts, taken.counts.imported, taken.twice) == (4, 3, 6, 2)


RUN = """\
name: shards
constitution: constitution.yaml
prompts: {heldout: heldout.jsonl}
pairs: shards
model: bundled:smollm2-135m-instruct
"""
CONSTITUTION = "name: s\nprinciples:\n  - {id: short, text: It is short., check: {type: words, max: 1}}\n"


def test_a_run_on_shards_is_the_run_on_one_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    (tmp_path / "constitution.yaml").write_text(CONSTITUTION)
    (tmp_path / "heldout.jsonl").write_text('{"id": "h", "prompt": "Something else?"}\n')
    (tmp_path / "shards").mkdir()
    pairs = some_pairs(9)
    for number in range(3):
        write_records(tmp_path / "shards" / f"{number}.jsonl", pairs[3 * number : 3 * number + 3])
    write_records(tmp_path / "pairs.jsonl", pairs)
    for name, where in (("one", "pairs.jsonl"), ("many", "shards")):
        stages = ("generate", "judge", "label")
        run_pipeline(stages, tmp_path / "run.yaml", {"name": name}, [f"pairs={where}"], tmp_path / "runs")
        with opened_run(tmp_path / "run.yaml", {"name": name}, [f"pairs={where}"], tmp_path / "runs", dry=True) as run:
            assert imported_from(run) == (), "the model card names the data sets of an import alone"
    for artefact in ("10-prompts.jsonl", "20-pairs.jsonl", "40-labels.jsonl"):
        one, many = ((tmp_path / "runs" / name / artefact).read_bytes() for name in ("one", "many"))
        assert one == many
    assert read_records(tmp_path / "runs" / "many" / "20-pairs.jsonl", Pair) == pairs


def items() -> Iterator[Item]:
    number = 0
    while True:
        number += 1
        turn = Prompt(id="-", prompt=f"What should one know about subject {number}? {'word ' * 50}").conversation
        said = (Said("first", "kind", "ada"), Said("second", None, "bob"))
        yield Compared(f"n{number}", turn, f"It is {number}. {'long ' * 40}", "No.", said)


def test_memory_does_not_grow_with_what_is_imported(tmp_path: Path) -> None:
    """What 20 times as many comparisons need beyond the few, mostly pydantic's bounded cache of short texts: less than
    a third of what they are on disk."""

    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        tracemalloc.start()
        write_import(folder, islice(items(), count), Request(format="trl", sources=("x",)))
        opinions = read_opinions(folder)
        with Grouped() as pairs, Grouped() as prompts:
            assert gather_imported(pair_source(str(folder)), pairs, prompts).counts.pairs == count
        assert sum(len(opinions.on(pair, "kind")) for pair in pair_source(str(folder))) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(100), peak(2000)
    size = sum(path.stat().st_size for path in (tmp_path / "2000").iterdir())
    assert many - few < size / 3
