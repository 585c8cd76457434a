"""Labels between two runs: of every judged pair, of those trained on, and the list of what changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from constitution.model import Constitution
from judge.records import Label, Share
from reports.compare.analyse import compare_runs
from reports.compare.page import render_comparison
from reports.compare.records import LabelsCompared, PairLabel, RunsCompared, Side
from reports.compare.tables import labels_csv
from reports.compare.words import label_lines
from tests.comparing import law, pair_of, side
from tests.test_report import Page

NASTY = "<script>alert(1)</script>\u202e"


def voted(constitution: Constitution, opinion: float, trained: bool) -> Label:
    """A label by one vote; without `trained`, of a pair that was not selected."""
    return Label(
        pair_key="k",
        constitution=constitution.key,
        judge="judge",
        rule="weighted_mean",
        p=opinion if trained else None,
        reason=None if trained else "not_selected",
        shares=(Share(principle="brief", weight=1.0, p=opinion),),
    )


def run(name: str, rows: Sequence[tuple[str, str, float, bool]]) -> Side:
    """Rows of (answer a, answer b, the vote, whether it is trained on)."""
    constitution = law()
    pairs = [pair_of(a, b) for a, b, _, _ in rows]
    labels = [
        PairLabel(pair.a.key, pair.b.key, pair.prompt.key, voted(constitution, opinion, trained))
        for pair, (_, _, opinion, trained) in zip(pairs, rows, strict=True)
    ]
    return side(name, None)._replace(labels=labels, pairs=pairs)


OURS = [
    ("b", "a", 0.9, True),
    ("d", "c", 0.9, False),
    ("f", "e", 0.5, False),
    ("h", "g", 0.8, True),
    ("j", "i", 0.7, False),
]
"""`f` against `e` is even: no label."""
THEIRS = [
    ("a", "b", 0.1, True),
    ("d", "c", 0.2, False),
    ("e", "f", 0.1, True),
    ("h", "g", 0.5, False),
    ("j", "i", 0.6, True),
]
"""The first is the same pair turned round, and says the same."""


def found() -> RunsCompared:
    return compare_runs([run("one", OURS), run("two", THEIRS)])


def labels_of(compared: RunsCompared) -> LabelsCompared:
    labels = compared.couples[0].labels
    assert labels is not None
    return labels


def test_all_judged_pairs_are_counted_whether_selected_or_not() -> None:
    judged = labels_of(found()).judged
    assert judged is not None
    assert [rate.hits for rate in (judged.same, judged.flips, judged.appears, judged.vanishes)] == [2, 1, 1, 1]
    assert {rate.n for rate in (judged.same, judged.flips, judged.appears, judged.vanishes)} == {5}
    line = label_lines(labels_of(found()))[1]
    assert line.startswith("labels of all of them, selected or not (n = 5 pairs): 2 the same (40.0 % [")
    assert "1 flips (20.0 % [" in line


def test_the_prompts_that_train_on_another_pair_are_counted() -> None:
    trained = labels_of(found()).trained
    assert (trained.prompts, trained.same, trained.turned, trained.other) == (4, 1, 0, 3)
    assert label_lines(labels_of(found()))[2] == (
        "pairs to train on (n = 4 prompts): 3 of 4 prompts train on other pairs, 0 on the same with another answer "
        "preferred, 1 on the same"
    )


def test_every_change_is_listed_with_both_p_of_the_same_answer() -> None:
    judged = labels_of(found()).judged
    assert judged is not None
    rows = [(one.pair.a.text, one.change, one.first, one.other) for one in judged.changed]
    assert rows == [("d", "flips", 0.9, 0.2), ("f", "appears", None, 0.9), ("h", "vanishes", 0.8, None)]
    assert [(one.first_trained, one.other_trained) for one in judged.changed] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    table = list(csv.DictReader(io.StringIO(labels_csv(found()))))
    assert [(row["change"], row["a"], row["b"], row["prompt"]) for row in table] == [
        ("flips", "d", "c", "c or d?"),
        ("appears", "f", "e", "e or f?"),
        ("vanishes", "h", "g", "g or h?"),
    ]


def test_the_page_lists_the_changes_escaped_and_says_how_many_there_are() -> None:
    many = [(f"{NASTY}{i}", f"other {i}", 0.9, True) for i in range(31)]
    turned = [(a, b, 1 - p, trained) for a, b, p, trained in many]
    html = render_comparison(compare_runs([run("one", many), run("two", turned)]), "f.json", "f.csv")
    page = Page(html)
    assert not page.named("script")
    assert "\u202e" not in html
    text = " ".join(page.text.split())
    assert "Labels that turned, appeared or vanished: 30 of 31 pairs" in text
    assert text.count("flips: p 0.90 → 0.10, trained on in both") == 30
    assert "f-labels.csv" in {link["href"].removeprefix("./") for link in page.named("a")}


def test_a_label_that_was_not_there_or_is_gone_is_said_so() -> None:
    text = " ".join(Page(render_comparison(found(), "f.json", "f.csv")).text.split())
    assert "appears: no label → p 0.90, trained on in two" in text
    assert "vanishes: p 0.80 → no label, trained on in one" in text


def test_labels_of_another_constitution_are_not_counted_by_this_rule() -> None:
    other = run("two", THEIRS)._replace(constitution=law("Be very brief."))
    labels = labels_of(compare_runs([run("one", OURS), other]))
    assert labels.judged is None
    assert "not known, for they are of another constitution" in label_lines(labels)[1]
