"""`constitution diff`: what changed, named and with its values; what does not matter is no difference."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitution.diff import diff, diff_lines, matched
from constitution.load import load_constitution
from constitution.model import Constitution, Principle
from pipeline.constitution_effects import EFFECTS
from tests.doc_blocks import ROOT
from tests.runs import CONSTITUTION, preceptor, write_run

REFORMATTED = """\
# The same, in another layout, in another order, with comments.
"name": 'tiny'

principles:
- check: {scale: 0.3, n: 2, type: repetition}
  # A comment costs nothing.
  scope:
    - ask
  text: "The answer does not repeat itself."
  id: no-repetition
- {id: few-vowels, text: The answer has few vowels., weight: 1.0,
   check: {type: pattern, pattern: '[aeiou]', scale: 12}}
- id: short
  text: >-
    The answer is
    short.
  polarity: for
  weight: 2.0
  check:
    type: words
    max: 6
    min: 1
    scale: 6
aggregation: {rule: weighted_mean}
"""


def constitution(*principles: Principle, **fields: object) -> Constitution:
    return Constitution.model_validate({"name": "c", "principles": principles, **fields})


def principle(i: str, text: str = "", **fields: object) -> Principle:
    return Principle.model_validate({"id": i, "text": text or f"{i}.", **fields})


def test_comments_layout_and_order_cost_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    (tmp_path / "again.yaml").write_text(REFORMATTED)
    done = preceptor("constitution", "diff", "constitution.yaml", "again.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (
        0,
        ["  no difference: the same principles, weights and rule"],
    )
    found = json.loads(
        preceptor("constitution", "diff", "constitution.yaml", "again.yaml", "--json", cwd=tmp_path).stdout
    )
    assert found["diff"]["old_key"] == found["diff"]["new_key"]
    assert all(found["diff"][part] == [] for part in ("added", "removed", "changed", "rule", "about"))
    (tmp_path / "split.yaml").write_text("name: tiny\nextends: again.yaml\n")
    assert diff(load_constitution(tmp_path / "constitution.yaml"), load_constitution(tmp_path / "split.yaml")).empty


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("weight: 2", "weight: 6", ["re-weighted short: 2 -> 6 (50.0% -> 75.0% of the weight)"]),
        ("is short.", "is brief.", ["reworded short: text", "    - The answer is short.", "    + The answer is brief."]),
        ("scope: [ask]", "scope: [x, ask]", ['re-scoped no-repetition: ["ask"] -> ["ask", "x"]']),
        ("    weight: 2\n", "    axis: style\n", ["re-weighted short: 2 -> 1 (50.0% -> 33.3% of the weight)", "regrouped short: general -> style"]),
        ("id: short", "id: brief", ["renamed brief: short -> brief"]),
        ("principles:", "aggregation: {abstain_band: 0.1}\nprinciples:", ["rule: abstain_band: 0 -> 0.1"]),
        ("name: tiny", "name: big\ndescription: Hm.", ["name: tiny -> big", "description: nothing -> Hm."]),
        ("scope: [ask]", "source: crowd", ['re-scoped no-repetition: ["ask"] -> nothing', "another source no-repetition: nothing -> crowd"]),
        ("max: 6", "max: 7", ["reworded short: check", '    - {"scale": 6.0, "type": "words", "min": 1, "max": 6}', '    + {"scale": 6.0, "type": "words", "min": 1, "max": 7}']),
    ],
)  # fmt: skip
def test_one_change_is_named(old: str, new: str, lines: list[str], tmp_path: Path) -> None:
    paths = tmp_path / "old.yaml", tmp_path / "new.yaml"
    for path, text in zip(paths, (CONSTITUTION, CONSTITUTION.replace(old, new, 1)), strict=True):
        path.write_text(text)
    assert list(diff_lines(diff(*map(load_constitution, paths)))) == lines


def test_added_and_removed() -> None:
    found = diff(constitution(principle("a"), principle("b", weight=3)), constitution(principle("a"), principle("c")))
    assert list(diff_lines(found)) == ["added c (50.0% of the weight): c.", "removed b (75.0% of the weight): b."]


def test_a_new_id_is_the_old_principle_only_where_there_is_no_doubt() -> None:
    old = constitution(principle("a", "Same."), principle("b", "Same."), principle("c", "C."))
    assert {i: p.id for i, p in matched(old, constitution(principle("x", "Same."), principle("y", "C."))).items()} == {
        "y": "c"
    }
    twice = constitution(principle("x", "C."), principle("y", "C."))
    assert matched(old, twice) == {}
    # `a` is still there, so that `x` can only be `b`.
    assert matched(old, constitution(principle("a", "New."), principle("x", "Same.")))["x"].id == "b"


def test_the_page_and_the_help_speak_of_the_behaviour() -> None:
    """What is printed is explained: when there is a prediction, its interval, how far to trust it."""
    page = (ROOT / "docs" / "constitution.md").read_text(encoding="utf-8")
    section = page[page.index("## What a change does") : page.index("## Aggregation")]
    for part in EFFECTS:
        assert f"- **{part}**" in section
    for word in ("fidelity", "LDS", "interval", "the selection is not redone", "preceptor trace RUN.yaml"):
        assert word in section
    shown = preceptor("constitution", "diff", "--help", cwd=ROOT).stdout
    assert "preceptor trace RUN.yaml" in " ".join(shown.split())
