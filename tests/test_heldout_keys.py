"""The keys of the pairs that a trace held out: as they were written, or one error that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitution.errors import DataError
from pipeline.tracing import heldout_keys


def test_what_was_written_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "heldout.json"
    path.write_text('["b", "a"]')
    assert heldout_keys(path, {"a", "b", "c"}, 2) == ["b", "a"]


@pytest.mark.parametrize("value", [None, 7, "ab", {"a": 1, "b": 2}, ["a"], ["a", 7], ["a", ["b"]], ["a", "z"]])
def test_any_other_shape_is_one_sentence_with_a_way_out(value: object, tmp_path: Path) -> None:
    path = tmp_path / "heldout.json"
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=r"heldout\.json: not the keys of .* 2 held-out pairs: remove the file, and "):
        heldout_keys(path, {"a", "b", "c"}, 2)
