"""Strict YAML: what is refused, at which place and in which words; what is read, and as what."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

import time
from typing import NamedTuple

import pytest

from constitution.errors import Problem
from constitution.nodes import Ambiguous, plain
from constitution.scalars import read_plain
from constitution.strict_yaml import MAX_DEPTH, parse_yaml


class Bad(NamedTuple):
    """A text and its only fault."""

    name: str
    text: str
    line: int
    column: int
    message: str


BAD = [
    Bad("duplicate key", "a: 1\nb: 2\na: 3\n", 3, 1, "the key `a` is already on line 1"),
    Bad("duplicate key, quoted once", "a: 1\n'a': 3\n", 2, 1, "the key `a` is already on line 1"),
    Bad("duplicate key, deep", "a:\n  - b: 1\n    c: {d: 1, e: 2, d: 3}\n", 3, 21, "the key `d` is already on line 3"),
    Bad("anchor", "a: &x 1\n", 1, 4, "anchors are not used here: delete `&x`, or quote text that begins with `&`"),
    Bad("alias", "a: *x\n", 1, 4, "aliases are not used here: write `x` out, or quote text that begins with `*`"),
    Bad("merge key", "a: {b: 1}\n<<: {c: 2}\n", 2, 1, "merge keys are not used here: write the keys out"),
    Bad("merge key with alias", "a: 1\n<<: *a\n", 2, 1, "merge keys are not used here: write the keys out"),
    Bad("tag", "a: !!str 5\n", 1, 4, "tags are not used here: delete the `!…`, or quote text that begins with `!`"),
    Bad("python tag", "a: !!python/object/apply:os.system [ls]\n", 1, 4, "tags are not used here: delete the `!…`, or quote text that begins with `!`"),
    Bad("unknown tag handle", "a: !e!x 5\n", 1, 4, "tags are not used here: delete the `!…`, or quote text that begins with `!`"),
    Bad("directive", "%YAML 1.1\n---\na: 1\n", 1, 1, "directives are not used here: delete this line"),
    Bad("two documents", "a: 1\n---\nb: 2\n", 2, 1, "a second document begins here: one file holds one document"),
    Bad("a list at the top", "- a\n- b\n", 1, 1, "expected `key: value` lines at the top, found a list"),
    Bad("text at the top", "hello there\n", 1, 1, "expected `key: value` lines at the top, found a single value"),
    Bad("empty", "", 1, 1, "the file is empty"),
    Bad("only comments", "# nothing\n---\n", 1, 1, "the file is empty"),
    Bad("tab before a key", "a:\n\tb: 1\n", 2, 1, "a tab in the indentation: use spaces"),
    Bad("tab after spaces", "a:\n  - b: 1\n  \tc: 2\n", 3, 3, "a tab in the indentation: use spaces"),
    Bad("tab in a flow mapping", "a: {\n\tb: 1,\n  c: 2}\n", 2, 1, "a tab in the indentation: use spaces"),
    Bad("merge conflict", "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n", 2, 1, "a merge-conflict marker (others on lines 4, 6): settle the conflict and delete the markers"),
    Bad("half a conflict", "a: 1\n=======\nb: 2\n", 2, 1, "a merge-conflict marker: settle the conflict and delete the markers"),
    Bad("escape character", "a: \x1b[31mred\n", 1, 4, "an invisible character (U+001B): delete it"),
    Bad("line separator", "a: one\u2028b: two\n", 1, 7, "an invisible character (U+2028): delete it"),
    Bad("boolean key", "on: 1\n", 1, 1, 'the unquoted key `on` may be read as the boolean true: put it in quotes: "on"'),
    Bad("number key", "a: {1: x}\n", 1, 5, 'the unquoted key `1` may be read as a number: put it in quotes: "1"'),
    Bad("null key", "null: x\n", 1, 1, 'the unquoted key `null` may be read as null: put it in quotes: "null"'),
    Bad("no key", "a: 1\n? \n: x\n", 2, 2, "a key is missing before the `:`"),
    Bad("mapping as key", "a: {{ name }}\n", 1, 5, "a key must be text; a value that begins with `{` or `[`, such as `{{ name }}`, needs quotes"),
    Bad("colon in text", "a: note: this\n", 1, 8, "this `:` starts a mapping where none can be: put text that contains `: ` in quotes, or mend the indentation"),
    Bad("no space after the dash", "a:\n  -id: b\n    text: c\n", 2, 3, "a space is missing after this `-`: an item of a list begins with `- `"),
    Bad("no space after a later dash", "a:\n  - id: b\n  -id: c\n", 3, 3, "a space is missing after this `-`: an item of a list begins with `- `"),
    Bad("no space after a dash alone", "a:\n  -id: b\n", 2, 3, "a space is missing after this `-`: an item of a list begins with `- `"),
    Bad("text that looks like it", "a: |\n  -id: b\nc: note: this\n", 3, 8, "this `:` starts a mapping where none can be: put text that contains `: ` in quotes, or mend the indentation"),
    Bad("no colon", "a: 1\nb\nc: 2\n", 2, 1, "this line is not `key: value`: a `:` is missing, or the line is not indented enough"),
    Bad("open bracket", "a: [1, 2\nb: 3\n", 1, 4, "this `[` is not closed, or a comma is missing after an item"),
    Bad("open brace", "a: {b: 1\nc: 3\n", 1, 4, "this `{` is not closed, or a comma is missing after an entry"),
    Bad("open quote", 'a: "one\nb: 3\n', 1, 4, "this quotation mark is never closed"),
    Bad("key among items", "a:\n- b\nc\n- d: 1\n", 3, 1, "this line is not `key: value`: a `:` is missing, or the line is not indented enough"),
    Bad("odd indentation", "a: |\n  x\n y\n", 3, 2, "expected a key here, lined up with the keys above"),
    Bad("unknown escape", 'a: "\\q"\n', 1, 5, "an unknown escape in double quotes: write `\\\\` for a backslash, or use single quotes"),
    Bad("starts with @", "a: @you\n", 1, 4, "text that begins with `@` needs quotes"),
    Bad("starts with **", "a: **bold**\n", 1, 4, "text that begins with `*` or `&` needs quotes"),
    Bad("starts with >", "a: >10 words\n", 1, 6, "text that begins with `|` or `>` needs quotes; a block of text begins on the line below"),
    Bad("stray bracket", "a: ]\n", 1, 4, "this character has nothing to close or to separate: delete it, or put the text in quotes"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_one_fault_one_message(bad: Bad) -> None:
    line = bad.text.split("\n")[bad.line - 1]
    assert parse_yaml(bad.text, "x.yaml").problems == [Problem("x.yaml", bad.line, bad.column, bad.message, line)]


def test_all_faults_at_once_up_to_the_syntax_error() -> None:
    problems = parse_yaml("a: &x 1\na: 2\nb: !t 3\nc: [1\nd: *x\n", "x").problems
    assert [(p.line, p.column) for p in problems] == [(1, 4), (2, 1), (3, 4), (4, 4)]


def test_depth() -> None:
    fits = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert parse_yaml(fits, "x").problems == []
    deep = parse_yaml("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")
    assert [(p.line, p.column, p.message) for p in deep.problems] == [(1, 35, "nested deeper than 32 levels")]


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 60_000, "- " * 100_000, "? " * 100_000])
def test_hostile_nesting_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    assert parse_yaml(text, "x").problems
    assert time.perf_counter() - start < 2


def test_aliases_do_not_expand() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    tree = parse_yaml("\n".join(["l0: &l0 [x]", *levels]), "x")
    assert len(tree.problems) == 12 + 9 * 11
    assert "anchors are not used here" in tree.problems[0].message


def test_bom_and_windows_line_ends() -> None:
    tree = parse_yaml("\ufeffa: 1\r\nb: |\r\n  two\r\n  lines\r\na: 2\r\n", "x")
    assert [str(problem) for problem in tree.problems] == ["x:5:1: the key `a` is already on line 1\n    a: 2\n    ^"]
    assert tree.root is not None
    assert plain(tree.root) == {"a": 1, "b": "two\nlines\n"}


def test_values() -> None:
    text = "a: 'no'\nb: true\nc: 5e-7\nd: [-3, 0x10, 0o17, +1]\ne:\nf: ~\ng: a b\nn: y\nh: |\n  x\n  \tkept\ni: 1.5\nj: \"1\"\n"
    tree = parse_yaml(text, "x")
    assert tree.problems == []
    assert tree.root is not None
    expected = {"a": "no", "b": True, "c": 5e-7, "d": (-3, 16, 15, 1), "e": None, "f": None, "g": "a b", "n": "y"}
    assert plain(tree.root) == expected | {"h": "x\n\tkept\n", "i": 1.5, "j": "1"}


TRAPS = {
    "no": "the boolean false",
    "Yes": "the boolean true",
    "on": "the boolean true",
    "OFF": "the boolean false",
    "True": "the boolean true",
    "012": "the number 10",
    "-010": "the number -8",
    "089": "the number 89",
    "1:30": "a number in base 60",
    "12:30:45": "a number in base 60",
    "1_000": "a number",
    "0b11": "a number",
    "2026-01-31": "a date",
    "2026-01-31T10:00:00Z": "a date",
    ".inf": "a number that is not finite",
    ".NaN": "a number that is not finite",
    "1e999": "a number too large to hold",
    "9" * 5000: "a number of 5000 digits",
}


@pytest.mark.parametrize(("text", "reading"), TRAPS.items(), ids=[t[:12] for t in TRAPS])
def test_yaml_1_1_traps(text: str, reading: str) -> None:
    assert read_plain(text) == Ambiguous(text, reading)


@pytest.mark.parametrize(
    "text", ["norway", "on time", "12 apples", "1.2.3", "v012", "y", "N", "=", "a:b", "2026", "2026-1", "-"]
)
def test_what_looks_odd_but_is_not(text: str) -> None:
    value = read_plain(text)
    assert value == (2026 if text == "2026" else text)
