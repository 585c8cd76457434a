"""A trace's matrices are families: what is marked as found in them has a p-value adjusted for all of their cells."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser
from scipy import stats

from reports.page import render
from reports.statistics import Interval, is_found, p_value, paired_bootstrap
from reports.trace.moved import moved_margin
from reports.trace.page import trace_rows, trace_section
from reports.trace.records import Moved, Part, Predicted, TraceReport, Without
from reports.trace.whatif import HeldOut, predict
from reports.twins import write_twins
from tests.browsing import opened
from tests.reporting import report_data
from train.gradients import PairGradients

IDS = ("short-answer", "no-lists")
CLEAR = Interval(estimate=0.4, low=0.1, high=0.7, n=12)
UNCLEAR = Interval(estimate=0.1, low=-0.2, high=0.4, n=12)


def moved(name: str, p: float | None, parts: dict[str, float | None]) -> Moved:
    return Moved(
        what=name,
        measured=CLEAR,
        p=p,
        explained=0.4,
        principles=tuple(
            Part(principle=one, contribution=UNCLEAR if p == 0.5 else CLEAR, p=p) for one, p in parts.items()
        ),
        raised=(),
        lowered=(),
        pairs=4,
    )


def predicted(name: str, p: float) -> Predicted:
    return Predicted(principle=name, now=CLEAR, then=0.8, change=CLEAR, detectable=0.1, p=p, pairs=12)


def report(*, tested: bool = True) -> TraceReport:
    """Three of four parts have an interval without 0; adjusted by hand their p are 0.04, 0.06, 0.08 and 0.5."""
    parts = {IDS[0]: {IDS[0]: 0.01, IDS[1]: 0.5}, IDS[1]: {IDS[0]: 0.02, IDS[1]: 0.04}}
    measured = {IDS[0]: 0.02, IDS[1]: 0.06}
    behaviours = {
        one: moved(one, measured[one] if tested else None, {i: p if tested else None for i, p in parts[one].items()})
        for one in IDS
    }
    without = tuple(
        Without(
            principle=one,
            corrected=False,
            changed=1,
            flipped=1,
            vanished=0,
            behaviours=tuple(predicted(other, 0.012 if one == other else 0.03) for other in IDS),
        )
        for one in IDS
    )
    return TraceReport(pairs=4, heldout=12, behaviours=behaviours, without=without)


def test_each_matrix_is_tested_as_one_family() -> None:
    rows = {(row.kind, row.principle, row.behaviour): row for row in trace_rows(report())}
    parts = [rows["part", principle, behaviour] for behaviour in IDS for principle in IDS]
    assert [row.p_holm for row in parts] == pytest.approx([0.04, 0.5, 0.06, 0.08])
    assert [row.found for row in parts] == [True, False, False, False]
    without = [rows["without", one, other] for one in IDS for other in IDS]
    assert [row.p_holm for row in without] == pytest.approx([0.048, 0.06, 0.06, 0.048])
    assert [row.found for row in without] == [True, False, False, True]


def test_so_are_the_margins_in_words() -> None:
    first, second = trace_section(report()).sentences
    shown = "+0.40 [+0.10, +0.70], n = 12"
    assert first == f"short-answer: its margin rose by {shown}: most by short-answer {shown}"
    assert second.startswith(f"no-lists: no detectable change of its margin on held-out pairs ({shown})")
    assert "p = 0.06 after Holm's adjustment" in second


def test_of_noise_many_intervals_leave_zero_out_and_nothing_is_found() -> None:
    draw = np.random.default_rng(3)
    cells = {}
    for cell in range(400):
        values = draw.normal(size=16)
        cells[str(cell)] = (paired_bootstrap(values, 200, 0.95, cell), p_value(values, 0.0))
    parts = tuple(Part(principle=one, contribution=effect, p=p) for one, (effect, p) in cells.items())
    noise = moved("noise", 0.5, {}).model_copy(update={"principles": parts})
    rows = trace_rows(TraceReport(behaviours={"noise": noise}))
    assert sum(row.effect.excludes_zero for row in rows) > 15, "5 % of 400 are 20"
    assert not any(row.found for row in rows)


def test_an_effect_without_p_or_interval_is_not_found() -> None:
    assert is_found(CLEAR, 0.05)
    assert not is_found(CLEAR, 0.051)
    assert not is_found(CLEAR, None)
    assert not is_found(UNCLEAR, 0.001)


def test_the_p_values_are_of_the_prompts_means() -> None:
    """Four held-out pairs of three prompts: p-values by scipy on the means by prompt, worked out here."""
    h = torch.tensor([0.3, 0.5, -0.2, 0.9], dtype=torch.float64)
    lean = torch.tensor([[0.5, 0.2], [1.0, torch.nan], [-1.0, 0.4], [0.8, -0.6]], dtype=torch.float64)
    held = HeldOut(["a", "b", "c", "d"], ["x", "x", "y", "z"], list(IDS), lean, PairGradients(h, torch.zeros(4, 1)))
    parts = torch.arange(16, dtype=torch.float64).reshape(2, 2, 4) / 10 - 0.6
    found = moved_margin(held, IDS[0], torch.zeros(4, dtype=torch.float64), parts, ["p", "q"], 0)

    def p_of(values: torch.Tensor) -> float:
        each = (lean[:, 0] * values).tolist()
        return float(stats.ttest_1samp([(each[0] + each[1]) / 2, each[2], each[3]], 0.0).pvalue)

    assert found.p == pytest.approx(p_of(h))
    assert {part.principle: part.p for part in found.principles} == pytest.approx(
        {name: p_of(parts[:, k].sum(0)) for k, name in enumerate(IDS)}
    )
    assert predict(held, h + parts[0, 0], 0)[0].p == pytest.approx(p_of(parts[0, 0]))


def test_page_and_table_say_what_was_adjusted_for(browser: Browser, tmp_path: Path) -> None:
    data = report_data().model_copy(update={"trace": report()})
    (tmp_path / "page.html").write_text(render(data), encoding="utf-8")
    with opened(browser, tmp_path / "page.html") as (page, _, said):
        captions = page.locator("#trace figcaption").all_inner_texts()
        coloured = page.locator("#trace figure svg [id*=patch] path[style*='opacity: 0.']").count()
        assert "An older version" not in page.locator("#trace").inner_text()
    assert said == []
    assert len(captions) == 2
    assert all("at most 0.05 after Holm's adjustment for all 4 cells" in caption for caption in captions)
    assert coloured == 1 + 2, "the cells found"
    write_twins(data, tmp_path)
    rows = list(csv.DictReader((tmp_path / "trace.csv").open(encoding="utf-8")))
    assert [row["found"] for row in rows].count("true") == 3
    assert float(rows[0]["p_holm"]) == pytest.approx(0.04)


def test_a_trace_of_an_older_version_says_that_nothing_was_tested(browser: Browser, tmp_path: Path) -> None:
    data = report_data().model_copy(update={"trace": report(tested=False)})
    (tmp_path / "page.html").write_text(render(data), encoding="utf-8")
    with opened(browser, tmp_path / "page.html") as (page, _, _):
        assert "An older version left this trace, without p-values" in page.locator("#trace").inner_text()
