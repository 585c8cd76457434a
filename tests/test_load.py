"""Loading YAML as a model: every error at its own place, in whole sentences, all of them at once."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from constitution.errors import ConfigError, DataError, PreceptorError
from constitution.load import load_constitution, load_yaml, validate_tree
from constitution.model import Constitution
from constitution.strict_yaml import MAX_BYTES, parse_yaml
from pipeline.config import RunConfig

GOOD = """\
name: plain
principles:
  - id: brief
    text: Be brief.
    weight: 2
    check: {type: words, max: 40}
"""
RUN = "name: a\nconstitution: c.yaml\nprompts: {train: a, heldout: b}\nmodel: m\n"
CHECKS = "`words`, `lists`, `pattern`, `overlap`, `repetition`, `sentences`"


def messages(text: str, model: type[BaseModel] = Constitution) -> list[str]:
    """`line:column: message` of every problem."""
    with pytest.raises(ConfigError) as caught:
        validate_tree(parse_yaml(text, "x.yaml"), model)
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


class Bad(NamedTuple):
    """What is put in place of what in GOOD, and the only message."""

    old: str
    new: str
    message: str


BAD = [
    Bad("weight", "wieght", "5:5: unknown key `wieght`; did you mean `weight`?"),
    Bad("weight", "Weight", "5:5: unknown key `Weight`; did you mean `weight`?"),
    Bad("weight", "zzz", "5:5: unknown key `zzz`; allowed here: `axis`, `check`, `examples`, `id`, `polarity`, `question`, `scope`, `source`, `text`, `weight`"),
    Bad("text: Be", "txt: Be", "4:5: unknown key `txt`; did you mean `text`?"),
    Bad("    text: Be brief.\n", "", "3:5: the key `text` is missing in `principles[0]` (What the principle asks for, in the words the judge will read)"),
    Bad("name: plain\n", "", "1:1: the key `name` is missing (A short name for reports)"),
    Bad("name: plain", "name: plain\nabstain_band: 0.1", "2:1: unknown key `abstain_band` here; it belongs under `aggregation`"),
    Bad("name: plain", "name: plain\naggregation: {min_coverge: 0.1}", "2:15: unknown key `min_coverge`; did you mean `min_coverage`?"),
    Bad("max: 40", "max: 40, mx: 3", "6:35: unknown key `mx`; did you mean `max`?"),
    Bad("max: 40", "max: 40, words: 3", "6:35: unknown key `words`; allowed here: `max`, `min`, `scale`, `type`"),
    Bad(", max: 40", "", "6:12: the key `max` is missing in `check` (The longest response, in words, that is not penalised)"),
    Bad("type: words", "type: word", f"6:19: `type`: expected one of {CHECKS}, found the text `word`; did you mean `words`?"),
    Bad("type: words", "type: off", f"6:19: `type`: expected one of {CHECKS}, found `off`, which YAML may read as the boolean false"),
    Bad("type: words, ", "", f"6:12: the key `type` is missing in `check`: one of {CHECKS}"),
    Bad("type: words", "typ: words", "6:13: unknown key `typ`; did you mean `type`?"),
    Bad("{type: words, max: 40}", "words", "6:12: `check`: expected a mapping with the key `type`, found the text `words`"),
    Bad("{type: words, max: 40}", "{type: pattern, pattern: '('}", "6:37: `pattern`: not a regular expression: missing ), unterminated subpattern at position 0"),
    Bad("{type: words, max: 40}", "{type: pattern, pattern: x, per_word: yes}", "6:50: `per_word`: expected true or false, found `yes`, which YAML may read as the boolean true; write true"),
    Bad("{type: words, max: 40}", "{type: pattern, pattern: x, per_word: 'false'}", "6:50: `per_word`: expected true or false, found the text `false`; write false without quotes"),
    Bad("{type: words, max: 40}", "{type: pattern, pattern: x, per_word: 1}", "6:50: `per_word`: expected true or false, found the number `1`"),
    Bad("Be brief.", "no", '4:11: `text`: expected text, found `no`, which YAML may read as the boolean false; put it in quotes: "no"'),
    Bad("Be brief.", "true", '4:11: `text`: expected text, found `true`; put it in quotes: "true"'),
    Bad("Be brief.", "42", '4:11: `text`: expected text, found the number `42`; put it in quotes: "42"'),
    Bad("Be brief.", "1:30", '4:11: `text`: expected text, found `1:30`, which YAML may read as a number in base 60; put it in quotes: "1:30"'),
    Bad("Be brief.", "2026-01-31", '4:11: `text`: expected text, found `2026-01-31`, which YAML may read as a date; put it in quotes: "2026-01-31"'),
    Bad("Be brief.", "", "4:10: `text`: expected text, found nothing"),
    Bad("Be brief.", "null", '4:11: `text`: expected text, found `null`, which means nothing; put it in quotes: "null"'),
    Bad("Be brief.", '""', "4:11: `text`: must not be empty"),
    Bad("Be brief.", "[Be, brief]", "4:11: `text`: expected text, found a list"),
    Bad("Be brief.", "x" * 4001, "4:11: `text`: may have at most 4000 characters"),
    Bad("weight: 2", 'weight: "2"', "5:13: `weight`: expected a number, found the text `2`; take the quotes away"),
    Bad("Be brief.", "9" * 101, f"4:11: `text`: expected text, found `{'9' * 40}…`, which YAML may read as a number of 101 digits; put it in quotes"),
    Bad("weight: 2", "weight: heavy", "5:13: `weight`: expected a number, found the text `heavy`"),
    Bad("weight: 2", "weight: 012", "5:13: `weight`: expected a number, found `012`, which YAML may read as the number 10; write a plain decimal number"),
    Bad("weight: 2", "weight: true", "5:13: `weight`: expected a number, found `true`"),
    Bad("weight: 2", "weight: -0.5", "5:13: `weight`: must be at least 0, found the number `-0.5`"),
    Bad("weight: 2", "weight: .inf", "5:13: `weight`: expected a number, found `.inf`, which YAML may read as a number that is not finite; write a plain decimal number"),
    Bad("max: 40", "max: 40.5", "6:31: `max`: expected a whole number, found the number `40.5`"),
    Bad("max: 40", "max: 0", "6:31: `max`: must be above 0, found the number `0`"),
    Bad("max: 40", "min: 50, max: 12", "6:40: `max`: must be at least 50, which is `min`, found the number `12`: no answer fits"),
    Bad("max: 40", "max: 12, min: 50", "6:31: `max`: must be at least 50, which is `min`, found the number `12`: no answer fits"),
    Bad("max: 40", "min: -5, max: 12", "6:31: `min`: must be at least 0, found the number `-5`"),
    Bad("max: 40", "max: 40, scale: 0", "6:42: `scale`: must be above 0, found the number `0`"),
    Bad("max: 40", "max: 40, scale: -3", "6:42: `scale`: must be above 0, found the number `-3`"),
    Bad("{type: words, max: 40}", "{type: pattern, pattern: ''}", "6:37: `pattern`: must not be empty"),
    Bad("{type: words, max: 40}", "{type: repetition, n: 0}", "6:34: `n`: must be at least 1, found the number `0`"),
    Bad("Be brief.", "'  '", "4:11: `text`: must not be empty: it holds only spaces"),
    Bad("weight: 2", "polarity: agains", "5:15: `polarity`: expected one of `for`, `against`, found the text `agains`; did you mean `against`?"),
    Bad("weight: 2", "scope: kitchen", "5:12: `scope`: expected a list, found the text `kitchen`; a list is written in brackets: [kitchen]"),
    Bad("weight: 2", "scope: [a, 3]", '5:16: `scope[1]`: expected text, found the number `3`; put it in quotes: "3"'),
    Bad("weight: 2", "examples: [{prompt: a, better: b}]", "5:16: the key `worse` is missing in `examples[0]` (The response that it does not)"),
    Bad("weight: 2", "weight: 0", "1:1: at least one principle needs a weight above 0"),
    Bad("id: brief", "id: Be Brief", "3:9: `id`: expected lower-case letters, digits and single hyphens, a letter first, found the text `Be Brief`"),
    Bad(GOOD, "name: a\nprinciples: []\n", "2:13: `principles`: needs at least 1 item, has 0"),
    Bad(GOOD, "name: a\nprinciples: {a: b}\n", "2:13: `principles`: expected a list, found a mapping"),
    Bad(GOOD, "name: a\nprinciples: [be good]\n", "2:14: `principles[0]`: expected a mapping with the keys `id`, `text`, found the text `be good`"),
    Bad(GOOD, "name: a\nprinciples:\n- {id: a, text: b}\n- {id: a, text: c}\n", "4:8: `id`: `a` is already on line 3, and ids must be unique"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.new[:30].strip() or bad.old.strip())
def test_one_mistake_in_a_constitution(bad: Bad) -> None:
    assert bad.old in GOOD
    assert messages(GOOD.replace(bad.old, bad.new, 1)) == [bad.message]


RUN_BAD = {
    "epochs: 3\n": "5:1: unknown key `epochs` here; it belongs under `train`",
    "judge: rulez\n": "1:1: `judge` is `rulez`, but the file defines only: rules",
    "engines:\n  fast: {type: vlm}\n": "6:16: `type`: expected one of `transformers`, `vllm`, `openai`, found the text `vlm`; did you mean `vllm`?",
    "engines:\n  fast: {type: vllm, max_model_length: 3}\n": "6:22: unknown key `max_model_length`; did you mean `max_model_len`?",
    "engines:\n  on: {type: vllm}\n": '6:3: the unquoted key `on` may be read as the boolean true: put it in quotes: "on"',
    "judges:\n  big: {kind: llm, model: m, engin: e}\n": "6:30: unknown key `engin`; did you mean `engine`?",
    "train: {loss: dpo, tau: 0.2}\n": "5:8: `tau` belongs to loss `ipo`; loss `dpo` uses `beta`",
    "train: {lora: {rank: 3}}\n": "5:16: unknown key `rank`; allowed here: `alpha`, `freeze_a`, `layers`, `r`, `target_modules`, `upper_layers`",
    "seed: 2147483648\n": "5:7: `seed`: must be below 2147483648, found the number `2147483648`",
}  # fmt: skip


@pytest.mark.parametrize(
    ("added", "message"), RUN_BAD.items(), ids=lambda text: text.split("\n")[-2 if "\n" in text else 0][:30]
)
def test_one_mistake_in_a_run_file(added: str, message: str) -> None:
    assert messages(RUN + added, RunConfig) == [message]


def test_whole_message_of_several_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "name: café\nprinciples:\n  - id: a\n    text: &t x\n    txet: *t\n    axis: no\n", encoding="utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        load_constitution(path)
    assert str(caught.value).replace(str(path), "c.yaml") == (
        "c.yaml:1:7: `name`: expected lower-case letters, digits and single hyphens, a letter first, found the text `café`\n"
        "    name: café\n"
        "          ^\n"
        "c.yaml:4:11: anchors are not used here: delete `&t`, or quote text that begins with `&`\n"
        "        text: &t x\n"
        "              ^\n"
        "c.yaml:5:5: unknown key `txet`; did you mean `text`?\n"
        "        txet: *t\n"
        "        ^\n"
        "c.yaml:5:11: aliases are not used here: write `t` out, or quote text that begins with `*`\n"
        "        txet: *t\n"
        "              ^\n"
        'c.yaml:6:11: `axis`: expected text, found `no`, which YAML may read as the boolean false; put it in quotes: "no"\n'
        "        axis: no\n"
        "              ^"
    )


def test_an_id_used_again_is_told_together_with_all_other_faults() -> None:
    text = "name: a\nprinciples:\n- {id: a, text: b, check: {type: pattern, pattern: '('}}\n- {id: a}\n- {id: a, text: c, axis: 3}\n"
    assert [m.split(" ", 2)[:2] for m in messages(text)] == [
        ["3:52:", "`pattern`:"], ["4:3:", "the"], ["4:8:", "`id`:"], ["5:8:", "`id`:"], ["5:26:", "`axis`:"]
    ]  # fmt: skip


def test_what_was_refused_is_not_complained_about_twice() -> None:
    text = "name: a\nprinciples:\n- <<: *p\n- {id: a, text: *t}\n- {id: b, text: {{ x }}}\n- {id: c, text: d, check: {type: *t}}\n"
    assert [m.split(": ")[0] for m in messages(text)] == ["3:3", "4:17", "5:18", "6:34"]


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    loaded = load_constitution(path)
    assert loaded == Constitution.model_validate(
        {
            "name": "plain",
            "principles": [{"id": "brief", "text": "Be brief.", "weight": 2.0, "check": {"type": "words", "max": 40}}],
        }
    )
    assert isinstance(loaded.principles[0].weight, float)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_text("# " + "x" * MAX_BYTES)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: b\nname: café\n".encode("latin-1"))
    expected = {
        tmp_path / "none.yaml": "none.yaml: there is no such file",
        tmp_path: f"{tmp_path.name}: this is a folder, a file was expected",
        big / "x.yaml": "x.yaml: cannot be read (Not a directory)",
        big: "big.yaml: longer than 256 KiB, which no file of this kind needs",
        latin: "latin.yaml:2:10: not UTF-8 text (byte 0xe9): save the file as UTF-8",
        Path("a\0b"): "a�b: cannot be read (embedded null byte)",
    }
    for path, message in expected.items():
        with pytest.raises(PreceptorError) as caught:
            load_constitution(path)
        assert str(caught.value).rpartition("/")[2] == message
        assert isinstance(caught.value, ConfigError if path == latin else DataError)


WORDS = [
    "name",
    "principles",
    "id",
    "text",
    "check",
    "type",
    "words",
    "scope",
    "weight",
    "no",
    "012",
    "1:30",
    "x",
    "2026-01-01",
]
PIECES = [
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a ",
    "*a",
    "!!str ",
    "<<",
    "'",
    '"',
    "|\n",
    "#",
    "? ",
    "%",
    "---\n",
    "é",
    "\r\n",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")),
        st.lists(st.sampled_from(WORDS + PIECES), max_size=30).map(lambda w: "".join(w).encode()),
    )
)
@pytest.mark.parametrize("model", [Constitution, RunConfig])
def test_any_bytes_raise_only_our_errors(data: bytes, model: type[BaseModel], tmp_path: Path) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_bytes(data)
    with pytest.raises(PreceptorError) as caught:
        load_yaml(path, model)
    assert all(c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in str(caught.value))


VALUES = st.recursive(
    st.sampled_from(["no", "x", "2", "-1", "true", "null", "012", "'q'", "words", "1.5", ".nan", "*a", "[]", "{}"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from([*WORDS[:9], "kind", "max", "rule", "axis"]), inner, max_size=4).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, field=st.sampled_from(["aggregation", "principles", "description", "judges", "engines", "train"]))
@pytest.mark.parametrize("model", [Constitution, RunConfig])
def test_any_tree_is_explained(value: str, field: str, model: type[BaseModel]) -> None:
    text = f"{field}: {value}\n"
    for line_column_message in messages(text, model):
        line, column, message = line_column_message.split(":", 2)
        assert int(line) == 1
        assert 1 <= int(column) <= len(text)
        assert "Input" not in message
