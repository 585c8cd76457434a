"""The dial between two axes: by hand, its ends, and that its middle is the constitution itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitution.errors import ConfigError, DataError
from constitution.model import Constitution
from judge.labels import relabel
from judge.records import Label
from pipeline.opened import opened_run
from reports.dial import dial, dialled
from tests.judging import a_constitution
from tests.reporting import report_data
from tests.runs import write_run
from tests.test_aggregate import law
from tests.test_conflicts import Views, judged

AXES = {"first": "helpfulness", "second": "safety", "third": "style"}


def on_axes(constitution: Constitution) -> Constitution:
    principles = [p.model_copy(update={"axis": AXES[p.id]}) for p in constitution.principles]
    return constitution.model_copy(update={"principles": tuple(principles)})


def test_a_dial_by_hand() -> None:
    """Weights 1, 1, 1; the first says 0.8, 0.6, 0.7 and the second 0.4, 0.3, 0.9 on three pairs; the third is even."""
    constitution = on_axes(law((1.0, 1.0, 1.0)))
    views: list[Views] = [(0.8, 0.4, 0.5), (0.6, 0.3, 0.5), (0.7, 0.9, 0.5)]
    pairs, labels = judged(constitution, views, ["", "", ""])
    found = dial(pairs, labels, constitution, "helpfulness", "safety", points=5)
    assert [point.t for point in found.points] == [0.0, 0.25, 0.5, 0.75, 1.0]
    # Sides: pair 0 turns to b at t = 0.75 (0.3 against 0.3: even), pair 1 is on b at 1/2, even nowhere on the grid.
    assert [point.labelled for point in found.points] == [3, 3, 3, 2, 3]
    assert [point.flipped.hits for point in found.points] == [1, 1, 0, 0, 1]
    assert [point.flipped.n for point in found.points] == [3, 3, 3, 2, 3]
    assert [(point.vanished, point.appeared) for point in found.points] == [(0, 0), (0, 0), (0, 0), (1, 0), (0, 0)]
    assert [point.agrees_first.value for point in found.points] == [1.0, 1.0, pytest.approx(2 / 3), 0.5, 1 / 3]
    assert [point.agrees_second.value for point in found.points] == [1 / 3, 1 / 3, pytest.approx(2 / 3), 1.0, 1.0]


def test_the_middle_is_the_constitution_and_every_point_is_a_relabelling() -> None:
    data = report_data(prompts=40)
    constitution = a_constitution(data.constitution.principles, abstain_band=0.02)
    pairs = [one.pair for one in data.pairs]
    labels = [relabel(one.label, constitution) for one in data.pairs]
    found = dial(pairs, labels, constitution, "brevity", "form", points=11)
    assert dialled(constitution, "brevity", "form", 0.5) == constitution
    for point in found.points:
        again = [relabel(label, dialled(constitution, "brevity", "form", point.t)) for label in labels]
        assert point.labelled == sum(label.p is not None for label in again)
        assert point.flipped.hits == sum(map(turned, labels, again)) == point.trained_flipped.hits
    middle = found.points[5]
    assert (middle.flipped.hits, middle.vanished, middle.appeared) == (0, 0, 0)
    assert max(point.flipped.hits for point in found.points) > 0


def turned(one: Label, two: Label) -> bool:
    return one.p is not None and two.p is not None and (one.p > 0.5) != (two.p > 0.5)


def test_the_ends_are_the_axes_own_labels_where_there_are_but_two() -> None:
    constitution = on_axes(law((3.0, 1.0, 0.0)))
    views: list[Views] = [(0.8, 0.4, 0.5), (0.6, 0.3, 0.5), (0.7, 0.9, 0.5), (0.2, 0.9, 0.5)]
    pairs, labels = judged(constitution, views, [""] * 4)
    points = dial(pairs, labels, constitution, "helpfulness", "safety", points=2).points
    assert points[0].agrees_first.value == points[1].agrees_second.value == 1.0


def test_a_run_files_wrong_axes_are_found_before_anything_is_computed(tmp_path: Path) -> None:
    run_file = write_run(tmp_path, "nowhere")
    text = run_file.read_text(encoding="utf-8")
    line = len(text.splitlines()) + 3
    run_file.write_text(f"{text}trace:\n  answers: 0\n  dial: style:safety\n", encoding="utf-8")
    said = f"{run_file}:{line}:9: `trace.dial` is `style:safety`: no principle with a weight is on axis `style`"
    for dry in (True, False):
        with pytest.raises(ConfigError) as caught, opened_run(run_file, {}, [], tmp_path / "runs", dry):
            pass
        assert str(caught.value).startswith(said)
    run_file.write_text(text, encoding="utf-8")
    flag = "trace.dial='a:b'"
    expected = re.escape("--set trace.dial: `trace.dial` is `a:b`")
    with pytest.raises(ConfigError, match=expected), opened_run(run_file, {}, [flag], tmp_path / "runs", True):
        pass


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            "helpfulness",
            "honesty",
            "no principle with a weight is on axis `honesty`; the constitution has:",
        ),
        ("safety", "safety", "a dial needs two different axes"),
    ],
)
def test_axes_must_be_there(first: str, second: str, message: str) -> None:
    constitution = on_axes(law())
    pairs, labels = judged(constitution, [(0.8, 0.4, 0.5)], [""])
    with pytest.raises(DataError, match=message):
        dial(pairs, labels, constitution, first, second)
