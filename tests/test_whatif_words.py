"""What a prediction says of one behaviour."""

from __future__ import annotations

import pytest

from reports.statistics import Interval
from reports.trace.records import Predicted, WhatIf
from reports.trace.words import whatif_lines


def said_of(now: float, low: float, high: float, detectable: float | None = None) -> str:
    change = Interval(estimate=(low + high) / 2, low=low, high=high, n=3)
    at = Interval(estimate=now, low=now, high=now, n=3)
    one = Predicted(principle="short", now=at, then=0.0, change=change, detectable=detectable, pairs=3)
    found = WhatIf(
        weights={"short": 1.0},
        unjudged=(),
        corrected=(),
        flipped=0,
        vanished=0,
        changed=0,
        pairs=9,
        behaviours=(one,),
        fidelity=None,
        seconds=0.1,
    )
    (line,) = [line for line in whatif_lines(found) if line.startswith("  short: ")]
    return line


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (said_of(0.0, 0.0, 0.0), "3 pairs of 3 prompts: it takes no side on these pairs"),
        (said_of(0.4, 0.0, 0.0), "3 pairs of 3 prompts: no detectable change"),
        (said_of(0.4, -0.1, 0.2, 0.25), "no detectable change; one of at least 0.25 would have been detected"),
        (said_of(0.4, 0.1, 0.2), "[0.100, 0.200], 3 pairs of 3 prompts"),
    ],
)
def test_no_side_no_change_and_a_change_are_told_apart(line: str, ends: str) -> None:
    assert line.endswith(ends)
