"""The table of docs/survival.md, which says by what each point is tested: every test that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

POINTS = 27
PAGE = (REPOSITORY / "docs" / "survival.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| ([^|]+) \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_point_has_a_row() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, POINTS + 1))


@pytest.mark.parametrize(("point", "names"), [row[1:] for row in ROWS])
def test_the_tests_of_a_point_are_there(point: str, names: str) -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+)`", names)
    assert len(named) == names.count("`") // 2 > 0, point
    for file, function in named:
        source = (REPOSITORY / "tests" / f"{file}.py").read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", source, re.MULTILINE), f"{file}::{function}"
