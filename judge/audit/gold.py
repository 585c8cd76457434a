"""A judge against gold, people's opinions of the same pairs: accuracy, kappa, calibration, and length beyond gold.

Gold on a principle is compared with that principle's view; gold on whole pairs with the only principle's view, or,
where there are several, with what the constitution's rule makes of them: the label.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from constitution.model import Constitution
from constitution.record import Record
from judge.audit.cells import Cell, by_order, floats, log_length
from judge.interface import Judge
from judge.labels import label_pair, probability
from judge.length_slope import length_slope
from judge.order_scores import OrderScores, llmbar_statistics, order_scores
from judge.resampling import Score
from judge.scores import CalibrationError, accuracy, brier, calibration_error, kappa


class Gold(NamedTuple):
    """Probability that `a` is better, as people see it: by pair key and principle id, or by pair key alone."""

    principles: Mapping[tuple[str, str], float]
    whole: Mapping[str, float]


class Row(NamedTuple):
    """One comparison with gold; p's are of the pair's `a`, NaN without a view."""

    prompt: str
    gold: float
    p: float
    calibrated: float
    ab: float
    """`a` shown first."""
    ba: float
    """`a` shown second."""
    length: float
    """ln(its words / the other's words)."""
    swapped: bool = False
    """Whether that response was the second in the file that the pair is from."""


class GoldFacts(Record):
    """How far a judge is right, under one principle or on the whole."""

    compared: Literal["principle", "label"]
    """Whether a principle's view is compared, or the label."""
    pairs: int
    """Pairs with gold and a view of the judge."""
    without_view: int
    """Pairs with gold on which the judge has none."""
    accuracy: Score
    """Prefers what gold prefers, both orders combined; a judge at one half counts half."""
    kappa: Score
    """Cohen's kappa, both orders combined."""
    orders: OrderScores | None
    """The same order by order, where each pair is shown in both."""
    published: dict[str, str | float | None] | None
    """The figures order by order as LLMBar's script prints them, to hold against published ones; its kappas against
    gold are not Cohen's, see docs/audit.md. None where the file's order says nothing: gold always on one side."""
    brier: Score
    """Mean (p - gold)^2; 0.25 for always one half."""
    ece: CalibrationError
    """Expected calibration error."""
    brier_calibrated: Score | None
    """The same after the judge's calibration; None where it has none."""
    ece_calibrated: CalibrationError | None
    """The same after the judge's calibration."""
    length_slope: Score
    """How far the verdicts follow length beyond what gold explains; see VoteFacts."""


Calibrated = Callable[[Cell], float]
"""The cell's logit after calibration."""


def gold_facts(rows: Sequence[Row], compared: Literal["principle", "label"], calibrated: bool) -> GoldFacts:
    """All scores of these rows. `calibrated`: whether the judge has a calibration at all."""
    in_file = _as_in_file(rows)
    rows = in_file or rows
    found = [row for row in rows if not math.isnan(row.p)]
    p, gold, after = (floats([getattr(row, name) for row in found]) for name in ("p", "gold", "calibrated"))
    clusters = [row.prompt for row in found]
    ab, ba, truth = (floats([getattr(row, name) for row in rows]) for name in ("ab", "ba", "gold"))
    twice = compared == "principle" and any(not math.isnan(row.ab) and not math.isnan(row.ba) for row in rows)
    return GoldFacts(
        compared=compared,
        pairs=len(found),
        without_view=len(rows) - len(found),
        accuracy=accuracy(p, gold, clusters),
        kappa=kappa(p, gold, clusters),
        orders=order_scores(ab, ba, truth, [row.prompt for row in rows]) if twice else None,
        published=llmbar_statistics(ab, ba, truth) if twice and in_file else None,
        brier=brier(p, gold, clusters),
        ece=calibration_error(p, gold, clusters),
        brier_calibrated=brier(after, gold, clusters) if calibrated else None,
        ece_calibrated=calibration_error(after, gold, clusters) if calibrated else None,
        length_slope=length_slope(p, floats([row.length for row in found]), clusters, gold),
    )


def principle_rows(cells: Sequence[Cell], gold: Gold, alone: bool, calibrated: Calibrated | None) -> list[Row]:
    """One row for each cell with gold. `alone`: gold on whole pairs is about the only principle."""
    rows = []
    for cell in cells:
        said = gold.principles.get((cell.pair.key, cell.principle.id), gold.whole.get(cell.pair.key) if alone else None)
        if said is not None:
            rows.append(_row(cell, said, calibrated))
    return rows


def _row(cell: Cell, said: float, calibrated: Calibrated | None) -> Row:
    orders, logit = by_order(cell), cell.logit
    return Row(
        prompt=cell.prompt,
        gold=said,
        p=math.nan if logit is None else probability(logit),
        calibrated=math.nan if logit is None or calibrated is None else probability(calibrated(cell)),
        ab=probability(orders["ab"]) if "ab" in orders else math.nan,
        ba=probability(-orders["ba"]) if "ba" in orders else math.nan,
        length=log_length(cell.pair),
        swapped=cell.pair.a.index > cell.pair.b.index,
    )


def _as_in_file(rows: Sequence[Row]) -> list[Row] | None:
    """The rows about the response that is first in its file, as published figures are.

    None where gold always prefers the first, as in files of chosen and rejected responses, or never does: a kappa
    against it would be 0 for any judge, however good.
    """
    turned = [_turned(row) if row.swapped else row for row in rows]
    sides = {row.gold > 0.5 for row in turned if row.gold != 0.5}
    return turned if len(sides) == 2 else None


def _turned(row: Row) -> Row:
    """The row with the responses' names exchanged."""
    gold, p, calibrated = 1 - row.gold, 1 - row.p, 1 - row.calibrated
    return Row(row.prompt, gold, p, calibrated, ab=1 - row.ba, ba=1 - row.ab, length=-row.length)


def label_rows(cells: Sequence[Cell], gold: Gold, constitution: Constitution, judge: Judge) -> list[Row]:
    """One row for each pair with gold on the whole: p of its label before any abstain band; NaN without a label."""
    by_pair: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_pair[cell.pair.key].append(cell)
    rows = []
    for key, mine in by_pair.items():
        if key in gold.whole:
            pair = mine[0].pair
            label = label_pair(pair, {cell.principle.id: cell.votes for cell in mine}, constitution, judge)
            p = label.p if label.p is not None else 0.5 if label.reason == "undecided" else math.nan
            rows.append(Row(mine[0].prompt, gold.whole[key], p, p, math.nan, math.nan, log_length(pair)))
    return rows
