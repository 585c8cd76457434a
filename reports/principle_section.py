"""What the page says of one principle in one place: its text and all its settings, the labels that hang on it, its part
of the training, what moved, what leaving it out did, and some pairs that it decides."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from constitution.model import Principle
from constitution.show import inline, shares
from reports.ablation.effects import Effect
from reports.ablation.records import Cell
from reports.ablation.words import cell_sentence
from reports.behaviour import PrincipleRow
from reports.conflict_words import conflict_sentence, decided_sentence
from reports.curves import Row
from reports.data import ReportData
from reports.decided import Decided, DecidedPair
from reports.principle_figure import principle_figure
from reports.principle_trace import HeldOut, Pull, held_out, pull_by_period, pull_over
from reports.principle_words import held_out_sentence, pull_sentence
from reports.text import percent, plural

RIVALS_SHOWN = 3


class ListedPair(NamedTuple):
    """A pair that it decides, what the user asked where that is known, and whether the page shows the pair."""

    row: DecidedPair
    question: str | None
    shown: bool


class PrincipleSection(NamedTuple):
    """One principle."""

    principle: Principle
    settings: list[tuple[str, str]]
    """Every setting besides the text, as a name and in words."""
    behaviour: PrincipleRow | None
    decided: Decided | None
    labels: str
    """How many labels hang on it, in words."""
    rivals: list[tuple[str, str]]
    """The principles that it disagrees with most, and in words how."""
    pull: Pull | None
    training: list[str]
    """Its part of the training, in words."""
    figure: str
    """The same as a picture; empty if there is nothing to draw."""
    own_effect: Effect | None
    """What its presence does to its own held-out margin, by retraining without it."""
    ablated: list[str]
    """What leaving it out did, as sentences."""
    pairs: list[ListedPair]


def principle_sections(data: ReportData, shown: Collection[str]) -> list[PrincipleSection]:
    """One for each principle, in the constitution's order; `shown` are the keys of the pairs on the page."""
    questions = {one.pair.key: one.pair.prompt.conversation[-1].content for one in data.pairs}
    return [_section(principle, data, questions, shown) for principle in data.constitution.principles]


def _section(
    principle: Principle, data: ReportData, questions: dict[str, str], shown: Collection[str]
) -> PrincipleSection:
    own = principle.id
    decided = next((row for row in data.conflicts.principles if row.principle == own), None)
    pull, quarters, measured = _trained(data.training, own)
    listed = [ListedPair(row, questions.get(row.pair), row.pair in shown) for row in data.deciding.get(own, ())]
    return PrincipleSection(
        principle=principle,
        settings=_settings(principle, shares(data.constitution)[own]),
        behaviour=next((row for row in data.behaviour.principles if row.id == own), None),
        decided=decided,
        labels=decided_sentence(decided) if decided else "",
        rivals=_rivals(own, data),
        pull=pull,
        training=_training_words(pull, quarters, measured),
        figure=principle_figure(own, quarters, measured),
        own_effect=next((cell.effect for cell in _cells(own, data) if cell.behaviour == own), None),
        ablated=_ablated(own, data),
        pairs=listed,
    )


def _settings(principle: Principle, share: float) -> list[tuple[str, str]]:
    """What this run used, defaults included, so that a threshold edited since can be told from it."""
    listed = {
        "Weight": f"{principle.weight:g}, {percent(share)} % of all",
        "Applies to": f"prompts tagged {', '.join(principle.scope)}" if principle.scope else "every prompt",
        "Axis": principle.axis,
        "Voted on by": f"source {principle.source}" if principle.source else "",
        "Question": principle.question or "",
        "Check": inline(principle.check.model_dump(mode="json", exclude_none=True)) if principle.check else "none",
        "Examples": plural(len(principle.examples), "worked comparison") if principle.examples else "",
    }
    return [(name, words) for name, words in listed.items() if words]


def _trained(rows: tuple[Row, ...], principle: str) -> tuple[Pull | None, list[Pull], list[HeldOut]]:
    pull = pull_over(rows, principle)
    return pull, pull_by_period(rows, principle) if pull else [], held_out(rows, principle)


def _training_words(pull: Pull | None, quarters: list[Pull], measured: list[HeldOut]) -> list[str]:
    ends = measured if len(measured) < 2 else [measured[0], measured[-1]]
    return [pull_sentence(pull, quarters), *(held_out_sentence(row) for row in ends)]


def _rivals(own: str, data: ReportData) -> list[tuple[str, str]]:
    rows = [row for row in data.conflicts.conflicts if own in (row.first, row.second)]
    return [(row.second if row.first == own else row.first, conflict_sentence(row)) for row in rows[:RIVALS_SHOWN]]


def _cells(own: str, data: ReportData) -> list[Cell]:
    """The ablation's effects of leaving out this principle alone."""
    return [cell for cell in data.ablation.cells if cell.left_out == (own,)] if data.ablation else []


def _ablated(own: str, data: ReportData) -> list[str]:
    """Its effect on its own margin, and every other effect that was found."""
    wanted = [cell for cell in _cells(own, data) if cell.behaviour == own or cell.outcome in ("raises", "lowers")]
    return [cell_sentence(cell, data.ablation.behaviours) for cell in wanted] if data.ablation else []
