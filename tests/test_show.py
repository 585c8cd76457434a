"""`constitution show`: the resolved constitution on the terminal, as JSON and as one file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitution.load import load_constitution
from pipeline.console import printable
from tests.runs import preceptor, write_run

CHILD = """\
name: mine
extends: constitution.yaml
remove: [no-repetition]
principles:
  - {id: short, weight: 3}
  - {id: kind, text: "The answer is kind \\e[31m\\x9b\\u202e\\U000E0041.", source: crowd}
"""


def test_show_says_weights_keys_places_and_meaning(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    (tmp_path / "mine.yaml").write_text(CHILD)
    done = preceptor("constitution", "show", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    found = load_constitution(tmp_path / "mine.yaml")
    assert lines[0] == "mine: 3 principles, rule weighted_mean"
    assert lines[1:3] == [f"  key {found.key}", "  extends constitution.yaml"]
    assert "short: 60.0% of the weight (3 of 5)" in lines
    assert f"    key {found.principles[0].key}  mine.yaml:5" in lines
    assert f"    key {found.principles[1].key}  constitution.yaml:8" in lines
    assert "  * text: The answer is short." in lines
    assert "    source: crowd" in lines
    assert "  * text: The answer is kind �[31m���." in lines
    assert lines[-1].startswith("* bears meaning")


@pytest.mark.parametrize("form", ["--json", "--yaml"])
def test_nothing_that_a_terminal_acts_upon_is_printed_even_in_a_document(form: str, tmp_path: Path) -> None:
    """Its reader finds the very same text: test_json_says_the_same_and_yaml_loads_to_the_same_keys."""
    write_run(tmp_path, "nowhere")
    (tmp_path / "mine.yaml").write_text(CHILD)
    for words in (("show", "mine.yaml"), ("diff", "constitution.yaml", "mine.yaml")):
        if words[0] == "diff" and form == "--yaml":
            continue
        printed = preceptor("constitution", *words, form, cwd=tmp_path).stdout
        assert "[31m" in printed
        assert printable(printed) == printed


def test_json_says_the_same_and_yaml_loads_to_the_same_keys(tmp_path: Path) -> None:
    write_run(tmp_path, "nowhere")
    (tmp_path / "mine.yaml").write_text(CHILD)
    found = load_constitution(tmp_path / "mine.yaml")
    shown = json.loads(preceptor("constitution", "show", "mine.yaml", "--json", cwd=tmp_path).stdout)
    assert shown["key"] == found.key
    assert [(p["principle"]["id"], p["share"], p["key"]) for p in shown["principles"]] == [
        ("short", 0.6, found.principles[0].key),
        ("few-vowels", 0.2, found.principles[1].key),
        ("kind", 0.2, found.principles[2].key),
    ]
    assert shown["principles"][0]["places"]["text"] == "constitution.yaml:5"
    assert shown["principles"][2]["principle"]["text"] == found.principles[2].text
    assert shown["meaning"] == ["text", "polarity", "question", "check", "examples"]
    whole = tmp_path / "whole.yaml"
    whole.write_text(preceptor("constitution", "show", "mine.yaml", "--yaml", cwd=tmp_path).stdout)
    assert load_constitution(whole) == found
    assert "extends" not in whole.read_text()


def test_paths_are_shown_without_detours_unless_a_link_makes_them_others(tmp_path: Path) -> None:
    base = "name: b\nprinciples:\n  - {id: a, text: Be kind.}\n"
    for folder in ("one", "two", "far/inner"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "two" / "base.yaml").write_text(base)
    (tmp_path / "far" / "base.yaml").write_text(base)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "inner")
    for name, extended in (("one/c.yaml", "../two/base.yaml"), ("link/c.yaml", "../base.yaml")):
        (tmp_path / name).write_text(f"name: c\nextends: {extended}\n")
    lines = preceptor("constitution", "show", "one/c.yaml", cwd=tmp_path).stdout
    assert "  extends two/base.yaml\n" in lines
    assert "  two/base.yaml:3\n" in lines
    assert "  extends link/../base.yaml\n" in preceptor("constitution", "show", "link/c.yaml", cwd=tmp_path).stdout
