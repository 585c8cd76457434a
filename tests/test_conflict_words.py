"""What the map is said to be: who wins only where that can be told, and a page of any constitution."""

from __future__ import annotations

import re

import pytest

from judge.labels import relabel
from reports.conflict_figure import MOST, conflict_figure
from reports.conflict_words import complement, conflict_lines, conflict_sentence, decided_sentence, dial_lines, winner
from reports.conflicts import ConflictMap, conflict_map
from reports.data import ReportData
from reports.dial import dial
from reports.page import render
from reports.twins import conflict_rows
from tests.reporting import report_data
from tests.test_aggregate import law
from tests.test_conflicts import Views, by_name, judged
from tests.test_report import NASTY, Page


def a_map(views: list[Views], tags: list[str] | None = None, **aggregation: object) -> ConflictMap:
    constitution = law((2.0, 1.0, 1.0), **aggregation)
    pairs, labels = judged(constitution, views, tags or [""] * len(views))
    return conflict_map(pairs, labels, constitution, best_worst=False)


def said(found: ConflictMap, first: str, second: str) -> str:
    return conflict_sentence(by_name(found, first, second)).replace("\xa0", " ")


def test_a_clear_winner_is_named_with_the_weight_that_would_turn_it() -> None:
    """Weights 2 and 1: 2 x 0.3 against 0.1 on every pair; the second needs 6."""
    found = a_map([(0.8, 0.4, 0.5)] * 30)
    assert said(found, "first", "second") == (
        "they disagree on 100 % [89, 100], n = 30. first wins 100 % [89, 100], n = 30. "
        "second would win half at 6.0 times its weight [6.0, 6.0], n = 30."
    )
    assert said(found, "first", "third") == "no pair on which both take a side (30 pairs with an opinion of both)."
    row = by_name(found, "first", "second")
    assert winner(row, row.all).name == "first"


def test_the_second_of_a_couple_can_win() -> None:
    found = a_map([(0.6, 0.1, 0.5)] * 30)
    words = said(found, "first", "second")
    assert "second wins 100 % [89, 100], n = 30." in words
    assert "first would win half at 2.0 times its weight" in words
    row = by_name(found, "first", "second")
    assert winner(row, row.all).share == complement(row.all.first_wins)


def test_where_it_may_be_chance_nobody_is_said_to_win() -> None:
    found = a_map([(0.8, 0.4, 0.5)] * 11 + [(0.6, 0.1, 0.5)] * 9)
    words = said(found, "first", "second")
    assert "Neither is seen to win more often: first 55 % [34, 75], n = 20; with so many, only a share of 81 %" in words
    assert "wins" not in words.replace("wins more often", "")
    few = said(a_map([(0.8, 0.4, 0.5), (0.6, 0.1, 0.5)]), "first", "second")
    assert "first 50 % [5, 95], n = 2; with so few, no share would be sure to show." in few


def test_undecided_disputes_order_and_hiding_are_said() -> None:
    even = a_map([(0.7, 0.1, 0.5)] * 5)
    assert "None of the 5 disputes is decided." in said(even, "first", "second")
    order = a_map([(0.8, 0.1, 0.5)] * 30, rule="priority", priority=["second", "first", "third"])
    assert "No weight would give first half of them." in said(order, "first", "second")
    assert "30 of 30 labels turn or vanish only without both" in said(a_map([(0.6, 0.8, 0.35)] * 30), "first", "second")


def test_every_figure_of_the_lines_has_its_interval_and_n() -> None:
    data = report_data()
    sentences = [line for line in conflict_lines(data.conflicts) if line.startswith("  ")]
    assert len(sentences) == 4 + 6 + 6, "principles, couples, and each couple by topic"
    for line in sentences:
        shares = re.findall(r"\d %(?! or more)", line)
        assert len(shares) == len(re.findall(r"\d % \[[\d.]+, [\d.]+\], n = \d+", line)) > 0, line
    pairs, labels = [one.pair for one in data.pairs], [one.label for one in data.pairs]
    lines = dial_lines(dial(pairs, labels, data.constitution, "brevity", "form"))
    assert len(lines) == 12
    assert all(line.count(", n = ") == 3 for line in lines[1:])


def test_a_principle_without_a_label_says_so() -> None:
    (row, *_) = a_map([(0.5, 0.5, 0.5)] * 2).principles
    assert decided_sentence(row) == "voted on 2 pairs, none of which has a label."


def with_map(data: ReportData, found: ConflictMap) -> ReportData:
    return data.model_copy(update={"conflicts": found})


def test_the_page_shows_the_map_of_any_size() -> None:
    data = report_data(nasty=NASTY)
    one = data.conflicts.model_copy(update={"principles": data.conflicts.principles[:1], "conflicts": ()})
    page = Page(render(with_map(data, one)))
    assert "There is one principle, and so no conflict." in page.text
    assert not page.open
    tagged = a_map([(0.8, 0.4, 0.5), (0.7, 0.2, 0.3)], tags=list(NASTY[:2]))
    nasty = Page(render(with_map(data, tagged)))
    assert NASTY[0] in nasty.text
    assert [attributes for tag, attributes in nasty.tags if tag == "script"] == [{}], "ours, and no other"
    assert {row["tag"] for row in conflict_rows(tagged)} == {"", *NASTY[:2]}


def test_the_picture_has_a_cell_for_each_couple_and_none_for_too_many() -> None:
    found = report_data().conflicts
    drawn = conflict_figure(found)
    assert 'aria-label="How often two principles disagree, in percent"' in drawn
    for row in found.conflicts:
        assert re.search(rf">{row.all.disagree.n}<", drawn)
    many = found.model_copy(update={"principles": (found.principles[0],) * (MOST + 1)})
    assert conflict_figure(many) == ""
    assert conflict_figure(found.model_copy(update={"principles": found.principles[:1], "conflicts": ()})) == ""


@pytest.mark.parametrize("band", [0.0, 0.1])
def test_the_report_counts_as_the_label_statistics_do(band: float) -> None:
    """`pivotal` is counted in two tables of the page: they agree."""
    data = report_data()
    rule = data.constitution.aggregation.model_copy(update={"abstain_band": band})
    constitution = data.constitution.model_copy(update={"aggregation": rule})
    pairs = [one.pair for one in data.pairs]
    labels = [relabel(one.label, constitution) for one in data.pairs]
    found = conflict_map(pairs, labels, constitution, best_worst=False)
    if band == 0:
        assert [row.pivotal.hits for row in found.principles] == [row.pivotal for row in data.labels.principles]
    assert all(row.pivotal.hits == row.flips + row.vanishes for row in found.principles)
