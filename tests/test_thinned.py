"""Many steps as few rows: a case counted by hand, and that no share of the gradient is lost by it."""

from __future__ import annotations

import math

import pytest

from benchmarks.report_world import metrics
from reports.curves import curve
from reports.principle_trace import held_out, pull_over
from reports.thinned import MOST_ROWS, size_for, thinned

IDS = ("p0", "p1", "p2")


def test_two_steps_by_hand() -> None:
    """Means are over pairs: 3 of the first step and 1 of the second. p1 was not asked in the first."""
    rows = [
        {"step": 1, "n": 3, "loss": 0.8, "batch_principles": {"p0": _figures(3, 1.0, 2, 0.5, 0.1)}},
        {
            "step": 2,
            "n": 1,
            "loss": 0.4,
            "batch_principles": {"p0": _figures(1, 3.0, 1, None, 0.5), "p1": _figures(1, 2.0, 0, None, 0.4)},
            "principles": {"p0": {"n": 9}},
            "heldout_loss": 0.3,
        },
    ]
    [row] = thinned(rows, 2)
    assert (row["step"], row["steps"], row["n"]) == (2, 2, 4)
    assert row["loss"] == pytest.approx((3 * 0.8 + 0.4) / 4)
    first, second = row["batch_principles"]["p0"], row["batch_principles"]["p1"]
    assert first["margin"] == pytest.approx((3 * 1.0 + 3.0) / 4)
    assert (first["n"], first["decided"], first["accuracy"]) == (4, 3, 0.5)
    assert first["pull"] == pytest.approx((3 * 0.1 + 0.5) / 4)
    assert second["pull"] == pytest.approx(0.4 / 4), "in three of the four pairs it had no part"
    assert (row["principles"], row["heldout_loss"]) == ({"p0": {"n": 9}}, 0.3)


def _figures(n: int, margin: float, decided: int, accuracy: float | None, pull: float) -> dict[str, object]:
    return {"n": n, "margin": margin, "decided": decided, "accuracy": accuracy, "pull": pull}


def test_few_steps_stay_as_they_are() -> None:
    rows = list(metrics(IDS, 60))
    assert size_for(60) == 1
    assert list(thinned(rows, 1)) == rows


def test_many_steps_lose_no_pull_and_move_no_measurement() -> None:
    rows = list(metrics(IDS, 5003))
    few = list(thinned(rows, size_for(len(rows))))
    assert MOST_ROWS / 2 < len(few) <= 2 * MOST_ROWS
    assert sum(row["steps"] for row in few) == len(rows)
    for principle in IDS:
        before, after = pull_over(rows, principle), pull_over(few, principle)
        assert before is not None
        assert after is not None
        assert after.share == pytest.approx(before.share, rel=1e-9)
        assert after.updates == before.updates
        assert set(held_out(few, principle)) <= set(held_out(rows, principle))
    assert curve(few, "step").values[-1] == 5003
    assert held_out(few, "p0")[-1] == held_out(rows, "p0")[-1]


def test_a_loss_that_is_not_a_number_is_seen() -> None:
    rows = [{"step": i, "n": 8, "loss": math.nan if i == 3 else 0.5} for i in range(1, 5)]
    assert math.isnan(next(thinned(rows, 4))["loss"])
