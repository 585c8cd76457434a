"""Runs compared: differences worked out by hand, what cannot be compared left out and said, labels of turned pairs."""

from __future__ import annotations

import json

import pytest
from scipy import stats

from constitution.checks import PatternCheck
from constitution.model import Principle
from reports.compare.analyse import compare_runs
from reports.compare.page import render_comparison
from reports.compare.records import BehaviourRow, RunsCompared
from reports.compare.tables import comparison_csv
from reports.compare.words import comparison_lines, label_lines
from reports.page import POLICY
from reports.statistics import Interval
from reports.text import percent
from tests.comparing import added, answers, law, side
from tests.reporting import report_data
from tests.test_report import Page

OURS = answers([0.5, 0.6, 0.7, 0.8], [4, 4, 4, 4])
THEIRS = answers([0.7, 0.9, 0.8, 1.0], [3, 2, 3, 1])
APART = [0.2, 0.3, 0.1, 0.2]


def row(found: RunsCompared, kind: str, name: str, couple: int = 0) -> BehaviourRow:
    (one,) = [r for r in found.couples[couple].behaviours if (r.kind, r.id) == (kind, name)]
    return one


def estimates(*found: Interval | None) -> list[float | None]:
    return [one.estimate if one else None for one in found]


def test_the_difference_of_the_changes_by_hand() -> None:
    found = compare_runs([side("a", OURS), side("b", THEIRS)])
    brief = row(found, "principle", "brief")
    assert estimates(brief.first, brief.other) == [pytest.approx(0.15), pytest.approx(0.35)]
    assert brief.difference is not None
    assert brief.difference.estimate == pytest.approx(0.2)
    assert brief.difference.n == 4
    assert brief.p == pytest.approx(stats.ttest_1samp(APART, 0).pvalue)
    assert brief.detectable == pytest.approx((1.959964 + 0.841621) * 0.0816497 / 2, rel=1e-5)
    words = row(found, "feature", "words")
    assert estimates(words.first, words.other) == [0.0, pytest.approx(2.25 - 4)]
    assert words.difference is not None
    assert words.difference.estimate == pytest.approx(-1.75)
    assert brief.p_holm is not None
    assert brief.p_holm == pytest.approx(len(found.couples[0].behaviours) * brief.p)
    assert found.tested == len(found.couples[0].behaviours)


def test_each_change_has_its_interval_and_unit() -> None:
    found = compare_runs([side("a", OURS), side("b", THEIRS)])
    for one in (row(found, "principle", "brief").first, row(found, "principle", "brief").other):
        assert one is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.estimate < one.high
    said, page = "\n".join(comparison_lines(found)), Page(render_comparison(found, "a.json", "a.csv")).text
    change = row(found, "principle", "brief").first
    assert change is not None
    ends = f"[{percent(change.low, 1, signed=True)}, {percent(change.high, 1, signed=True)}]"
    assert f"(changes +15.0 points {ends} and +35.0 points [" in said
    assert f"+15.0\xa0pts {ends} n\xa0=\xa04" in " ".join(page.split(" "))


def test_a_run_does_not_differ_from_itself_and_turning_round_turns_the_sign() -> None:
    one, other = (
        side(name, report_data(seed=seed).answers, report_data().constitution) for name, seed in (("a", 1), ("b", 2))
    )
    for found in (compare_runs([one, one._replace(name="again")]),):
        assert {r.outcome for r in found.couples[0].behaviours} == {"undetected"}
        assert all(r.difference is not None and r.difference.estimate == 0 for r in found.couples[0].behaviours)
        assert found.settings == ()
    there, back = compare_runs([one, other]).couples[0], compare_runs([other, one]).couples[0]
    for first, second in zip(there.behaviours, back.behaviours, strict=True):
        assert first.difference is not None
        assert second.difference is not None
        assert first.difference.estimate == pytest.approx(-second.difference.estimate, abs=1e-12)


def test_a_clear_difference_is_found_and_an_unclear_one_says_what_would_show() -> None:
    many = 30
    ours, theirs = answers([0.5] * many, [4] * many), answers([0.9, 0.8] * 15, [4, 5, 4] * 10)
    found = compare_runs([side("a", ours), side("b", theirs)])
    assert row(found, "principle", "brief").outcome == "higher"
    words = row(found, "feature", "words")
    assert words.outcome == "higher"
    said = "\n".join(comparison_lines(compare_runs([side("a", OURS), side("b", THEIRS)])))
    assert "one of at least 11.4 points would have been detected" in said
    assert 'its own interval excludes "no change"' in said
    assert "but with all rows tested together that may be chance (p = 0.15 after Holm's adjustment)" in said


def test_only_shared_prompts_count_and_their_number_is_said() -> None:
    found = compare_runs([side("a", OURS), side("b", THEIRS[1:])])
    brief = row(found, "principle", "brief")
    assert brief.difference is not None
    assert (brief.difference.n, brief.difference.estimate) == (3, pytest.approx(0.2))
    said = "behaviour is compared on the 3 held-out prompts that both runs have, of 4 in `a` and 3 in `b`"
    assert said in found.couples[0].notes


def test_runs_without_a_common_prompt_compare_what_they_can() -> None:
    other = side("b", answers([0.9, 0.9], [1, 1], "z"), labels=[("x", "y", 0.9)], seed=2)
    found = compare_runs([side("a", OURS, labels=[("x", "y", 0.9)]), other])
    couple = found.couples[0]
    assert couple.behaviours == ()
    assert "of 4 held-out prompts of `a` and 2 of `b` none is the same" in couple.notes[0]
    assert couple.labels is not None
    assert couple.labels.shared == 1
    assert [(s.name, s.values) for s in found.settings] == [("seed", (1, 2)), ("train.beta", (0.1, 0.2))]
    assert "none is the same" in Page(render_comparison(found, "a.json", "a.csv")).text


def test_what_was_not_measured_alike_is_not_compared_but_by_its_own_check() -> None:
    fresh = Principle(id="no-a", text="No a.", check=PatternCheck(type="pattern", pattern="w"))
    found = compare_runs([side("a", OURS), side("b", THEIRS, added(law("Be very brief."), fresh))]).couples[0]
    assert {one.what: one.why for one in found.left_out} == {
        "win rate under brief": "the principle has another meaning in each run",
        "win rate under no-a": "the principle is in `b` alone",
    }
    assert [(r.kind, r.id) for r in found.behaviours if r.kind != "feature"] == [
        ("principle", "words"),
        ("check", "no-a"),
    ]
    # one match of `w` in "one two three four" (two), and one in every "word": -(4-1), ... of the trained answers
    check = next(r for r in found.behaviours if r.kind == "check")
    assert estimates(check.first, check.other) == [-3.0, pytest.approx(1 - 2.25)]
    judged = compare_runs([side("a", OURS), side("b", THEIRS, judge="another")]).couples[0]
    assert "compared by different judges" in judged.left_out[0].why
    assert [(r.kind, r.id) for r in judged.behaviours if r.kind != "feature"] == [("check", "words")]


def test_a_failed_comparison_is_left_out_and_counted() -> None:
    theirs = answers([0.7, None, 0.8, 1.0], [3, 2, 3, 1])
    found = compare_runs([side("a", OURS), side("b", theirs)])
    brief = row(found, "principle", "brief")
    assert brief.failed == 1
    assert brief.difference is not None
    assert brief.difference.n == 3
    assert "1 comparison without a valid judgement left out" in found.couples[0].notes


def test_a_pair_is_its_two_answers_whichever_stands_first() -> None:
    ours = [("x", "y", 0.9), ("u", "v", 0.9), ("s", "t", 0.2), ("m", "n", None), ("only", "here", 0.9)]
    theirs = [("y", "x", 0.1), ("v", "u", 0.9), ("s", "t", None), ("m", "n", 0.7)]
    labels = compare_runs([side("a", None, labels=ours), side("b", None, labels=theirs)]).couples[0].labels
    assert labels is not None
    assert (labels.first_pairs, labels.other_pairs, labels.shared) == (5, 4, 4)
    assert (labels.flips.hits, labels.flips.n, labels.only_first, labels.only_other) == (1, 2, 1, 1)
    assert label_lines(labels)[3] == (
        "of the pairs that both train on, 1 of 2, 50.0 % [5.5, 94.5] turn to the other answer; "
        "1 pair in the first run alone, 1 in the other alone"
    )
    # `brief` says 0.9 for the first answer of every pair: turned round in the two pairs that are
    assert [(one.principle, one.flips.hits, one.flips.n) for one in labels.principles] == [
        ("brief", 2, 4),
        ("words", 0, 0),
    ]


def test_the_page_is_whole_escapes_and_has_every_figure() -> None:
    nasty = "</code><script>alert(1)</script>\u202e"
    found = compare_runs([side("a", OURS), side("b<i>", THEIRS, law(nasty), labels=[]), side("c", None)])
    html = render_comparison(found, "../x/a b.json", "javascript:'\"><i>.csv")
    page = Page(html)
    assert page.open == []
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in page.named("meta")
    assert not page.named("script") + page.named("link") + page.named("img") + page.named("i")
    assert "\u202e" not in html
    again = RunsCompared.model_validate_json(found.model_dump_json())
    assert render_comparison(again, "../x/a b.json", "javascript:'\"><i>.csv") == html
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {link["href"] for link in page.named("a")}
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    assert {link for link in links if not link.startswith("#")} == {
        "./../x/a%20b.json",
        "./javascript%3A%27%22%3E%3Ci%3E.csv",
        "./javascript%3A%27%22%3E%3Ci%3E-labels.csv",
    }
    desk, phone = page.named("svg")
    assert "Repeated three-word sequences −50.0 [" in desk["aria-label"], "the words of the table"
    assert "n = 4" in desk["aria-label"] == phone["aria-label"]
    text = " ".join(page.text.split())
    assert all(r.verdict in text for r in found.couples[0].behaviours)
    assert "it is not measured yet in <code>c</code>" in html


def test_the_table_and_the_json_hold_the_same_rows() -> None:
    found = compare_runs([side("a", OURS), side("b", THEIRS), side("c", THEIRS)])
    data = json.loads(found.model_dump_json())
    assert comparison_csv(found).count("\n") == 1 + sum(len(couple["behaviours"]) for couple in data["couples"])
    assert found.tested == 18
