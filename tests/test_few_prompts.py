"""Intervals over few prompts are too narrow: pages and texts say so, with the coverage that is measured here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reports.behaviour import BehaviourTable, caution
from reports.card_behaviour import behaviour_section
from reports.compare.analyse import compare_runs
from reports.compare.page import render_comparison
from reports.compare.words import comparison_lines
from reports.page import render
from reports.statistics import FEW_PROMPTS, Values, few_prompts, paired_bootstrap
from reports.summary import principle_sentence, summary_lines
from tests.comparing import answers, side
from tests.reporting import report_data
from tests.test_report import Page

DRAWS: list[tuple[Callable[[np.random.Generator, int], Values], float]] = [
    (lambda rng, n: rng.normal(0.6, 0.2, n), 0.6),
    (lambda rng, n: rng.beta(2, 2, n), 0.5),
    (lambda rng, n: rng.beta(8, 1, n), 8 / 9),
]


def coverage(n: int, trials: int = 150) -> float:
    """How often a 95 % interval over n prompts holds the true mean, over all the distributions."""
    rng, held = np.random.default_rng(n), []
    for draw, mean in DRAWS:
        for seed in range(trials):
            found = paired_bootstrap(draw(rng, n), 500, 0.95, seed)
            held.append(found.low is not None and found.high is not None and found.low <= mean <= found.high)
    return float(np.mean(held))


@pytest.mark.parametrize(("n", "said"), [(4, 0.80), (6, 0.87), (10, 0.90)])
def test_the_coverage_that_the_caution_says_is_what_one_finds(n: int, said: float) -> None:
    assert f"{100 * said:.0f} % over {n}" in few_prompts([n, 4]).replace("of cases ", "").replace(" prompts", "")
    assert coverage(n) == pytest.approx(said, abs=0.045)  # three standard errors


def test_only_few_prompts_are_cautioned_of() -> None:
    assert few_prompts([FEW_PROMPTS, 60]) == ""
    assert few_prompts([1]) == "", "one prompt has no interval"
    assert few_prompts([60, 9]).startswith("Few prompts (n = 9): ")


def few() -> BehaviourTable:
    table = report_data().behaviour
    rows = [
        row.model_copy(update={"win_rate": row.win_rate and row.win_rate.model_copy(update={"n": 6})})
        for row in table.principles
    ]
    return table.model_copy(update={"prompts": 6, "principles": tuple(rows)})


def test_the_report_and_the_card_say_it_and_what_a_win_rate_is() -> None:
    said = caution(few())
    assert said.startswith("Few prompts (n = 6): ")
    data = report_data().model_copy(update={"behaviour": few()})
    page = " ".join(Page(render(data)).text.replace("\u00a0", " ").split())
    assert said in page
    assert said in summary_lines(data)
    assert said in behaviour_section(few(), "rules")
    assert "judge's mean probability that the trained model's answer is the better one" in page
    assert "mean probability that this model's answer is better" in behaviour_section(few(), "rules")
    row = next(row for row in few().principles if row.win_rate)
    assert principle_sentence(row).startswith("mean probability that the trained model's answer is better: ")


def test_a_comparison_says_it() -> None:
    ours, theirs = answers([0.5, 0.6, 0.7, 0.8], [4] * 4), answers([0.7, 0.9, 0.8, 1.0], [3, 2, 3, 1])
    found = compare_runs([side("a", ours), side("b", theirs)])
    assert "Few prompts (n = 4): " in comparison_lines(found)[-1]
    assert "Few prompts (n = 4): " in Page(render_comparison(found, "a.json", "a.csv")).text.replace("\u00a0", " ")
    many = compare_runs([side("a", answers([0.5] * 10, [4] * 10)), side("b", answers([0.6] * 10, [3] * 10))])
    assert "Few prompts" not in "\n".join(comparison_lines(many))
