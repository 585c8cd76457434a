"""The dial's picture and its words: a position stands beside its own mark, and what the dial does is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reports.page import render
from reports.statistics import Interval
from reports.trace.dial_words import dial_sentences
from reports.trace.frontier import Margins, frontier
from reports.trace.frontier_figure import LETTER_POINTS, Point, clear_offsets
from reports.trace.records import Frontier, FrontierPoint
from reports.trace.whatif import HeldOut
from reports.trace.words import frontier_lines
from tests.reporting import report_data
from tests.test_report import Page
from train.gradients import PairGradients

SEEN = [(1.23, 1.11), (1.07, 0.98), (0.91, 0.83), (0.80, 0.74), (1.02, 0.89)]
"""Margins of a real run: the last position comes back between the second and the third."""


def test_each_position_stands_nearest_to_its_own_mark() -> None:
    names = ["0", "0.25", "0.5", "0.75", "1"]
    marks = [Point(60 + 190 * x, 20 + 60 * y) for x, y in SEEN]
    for mark, offset, name in zip(marks, clear_offsets(marks, names), names, strict=True):
        middle = mark.x + offset.x + 0.65 * LETTER_POINTS * len(name) / 2, mark.y + offset.y + LETTER_POINTS / 2

        def away(other: Point, middle: tuple[float, float] = middle) -> float:
            return math.dist(middle, other)

        assert min(marks, key=away) == mark, name


def interval(estimate: float, half: float = 0.1) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, n=13)


def turning(first: Interval | None, second: Interval | None) -> Frontier:
    points = tuple(
        FrontierPoint(
            t=t,
            predicted_first=interval(1.0),
            predicted_second=interval(up),
            retrained_first=None,
            retrained_second=None,
        )
        for t, up in ((0.0, 1.63), (1.0, 1.27))
    )
    return Frontier(first="brevity", second="manner", points=points, turn_first=first, turn_second=second)


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (interval(0.4), "a difference of +0.40 [+0.30, +0.50], n = 13: it rises, as one expects."),
        (interval(-0.36), "it falls, where one expects a rise; the dial does not do here what it says."),
        (interval(-0.36, 0.9), "no trend is detected, and the estimate is not on the side that one expects."),
        (interval(0.1, 0.9), "n = 13: no trend is detected."),
        (None, "it falls, where one expects a rise. An older version left this trace"),
    ],
)
def test_it_is_said_whether_the_margin_follows_the_dial(turn: Interval | None, said: str) -> None:
    manner, _ = dial_sentences(turning(interval(0.2), turn))
    assert manner.startswith(
        "From brevity to manner, the margin along manner goes from 1.63 with all weight to brevity"
    )
    assert said in manner
    assert manner in frontier_lines(turning(interval(0.2), turn))[-2]


def test_the_difference_of_the_ends_is_paired_by_prompt() -> None:
    """Three prompts, two axes of one principle each: the means worked out here."""
    lean = torch.tensor([[1.0, 0.5], [1.0, -0.5], [-1.0, 0.5]], dtype=torch.float64)
    start, end = torch.tensor([0.9, 0.8, -0.7]).double(), torch.tensor([0.1, -0.4, 0.3]).double()
    held = HeldOut(["a", "b", "c"], ["x", "y", "z"], ["p", "q"], lean, PairGradients(start, torch.zeros(3, 1)))
    found = frontier(held, ["p"], ["q"], ("one", "two"), [Margins(0, start, None), Margins(1, end, None)], 0)
    assert found.turn_first is not None
    assert found.turn_second is not None
    apart = (end - start).numpy()
    assert found.turn_first.estimate == pytest.approx(float(np.mean(-apart * lean[:, 0].numpy())))
    assert found.turn_second.estimate == pytest.approx(float(np.mean(apart * lean[:, 1].numpy())))
    assert found.turn_first.n == 3


def test_the_report_says_it() -> None:
    data = report_data()
    assert data.trace
    shown = data.model_copy(update={"trace": data.trace.model_copy(update={"frontier": turning(None, interval(-0.4))})})
    text = " ".join(Page(render(shown)).text.replace("\u00a0", " ").split())
    assert "the dial does not do here what it says." in text
