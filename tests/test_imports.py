"""Imports: every format to the same pairs and opinions, placed by content, nothing dropped in silence."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitution.errors import ConfigError, DataError, PreceptorError, StoreError
from constitution.files import read_records
from generate.records import Message
from judge.imports.folder import pair_source, read_account
from judge.imports.found import Compared, Request, Said, Single
from judge.imports.json_values import elements
from judge.opinions import Heard, read_opinions
from tests.importing import Imported, gathered, import_into, imported
from tests.runs import preceptor

USER = {"role": "user", "content": "Why?"}


def says(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def jsonl(path: Path, *rows: object) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def preferences(found: Imported) -> list[tuple[str, str | None, str | None]]:
    """(the prompt's last turn, the preferred text, the other), None and None for a tie or an abstention."""
    by_key = {pair.key: pair for pair in found.pairs}
    rows = []
    for opinion in found.opinions:
        pair = by_key[opinion.pair_key]
        texts = {"a": (pair.a.text, pair.b.text), "b": (pair.b.text, pair.a.text)}.get(opinion.side, (None, None))
        rows.append((pair.prompt.conversation[-1].content, *texts))
    return rows


TRL = {
    "explicit": {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
    "explicit conversation": {"prompt": [USER], "chosen": [says("So.")], "rejected": [says("No.")]},
    "implicit conversation": {"chosen": [USER, says("So.")], "rejected": [USER, says("No.")]},
    "prompt beside whole conversations": {
        "prompt": "Why?", "chosen": [USER, says("So.")], "rejected": [USER, says("No.")], "score": 7
    },
    "implicit dialogue": {
        "chosen": "\n\nHuman: Why?\n\nAssistant: So.", "rejected": "\n\nHuman: Why?\n\nAssistant: No."
    },
}  # fmt: skip


@pytest.mark.parametrize("row", TRL.values(), ids=TRL)
def test_trl_columns_in_all_their_forms(tmp_path: Path, row: dict[str, Any]) -> None:
    found = imported("trl", jsonl(tmp_path / "x.jsonl", row))
    assert preferences(found) == [("Why?", "So.", "No.")]
    assert (found.account.pairs, found.account.skipped) == (1, {})
    assert {(r.finish, r.tokens, r.sampler) for pair in found.pairs for r in (pair.a, pair.b)} == {
        ("unknown", 0, "imported")
    }


def test_trl_implicit_text_is_cut_where_trl_cuts_it(tmp_path: Path) -> None:
    """What trl.extract_prompt of TRL 1.16 says of the same row."""
    row = {"chosen": "The sky is blue.", "rejected": "The sky is high."}
    assert preferences(imported("trl", jsonl(tmp_path / "x.jsonl", row))) == [("The sky is", " blue.", " high.")]


SKIPPED = {
    "an empty response": {"prompt": "Why?", "chosen": " ", "rejected": "No."},
    "both responses are the same": {"prompt": "Why?", "chosen": "No.", "rejected": "No."},
    "no prompt": {"chosen": "So.", "rejected": "No."},
    "a turn without text": {"prompt": [{"role": "user", "content": None}], "chosen": [says("a")], "rejected": []},
    "the prompt does not end with the user's turn": {
        "prompt": [USER, says("x")], "chosen": [says("a")], "rejected": []
    },
    "an answer of several turns, or not by the assistant": {
        "prompt": [USER], "chosen": [says("a"), USER, says("b")], "rejected": [says("c")]
    },
    "a role other than system, user and assistant": {
        "prompt": [{"role": "tool", "content": "x"}], "chosen": [says("a")], "rejected": []
    },
    "chosen and rejected have different forms": {"prompt": "Why?", "chosen": "a", "rejected": [says("b")]},
}  # fmt: skip


def test_what_cannot_be_used_is_counted_by_reason(tmp_path: Path) -> None:
    found = imported("trl", jsonl(tmp_path / "x.jsonl", TRL["explicit"], *SKIPPED.values()))
    assert found.account.skipped == dict.fromkeys(sorted(SKIPPED), 1)
    assert found.account.compared == 1


def test_parquet_gzip_and_data_sets_on_disk_say_the_same(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = [{"prompt": f"Why {i}?", "chosen": f"So {i}.", "rejected": "No."} for i in range(5)]
    data = Dataset.from_list(rows)
    data.to_parquet(tmp_path / "x.parquet")
    data.save_to_disk(tmp_path / "single")
    DatasetDict({"train": data.select([0]), "test": data}).save_to_disk(tmp_path / "several")
    (tmp_path / "x.json").write_text(json.dumps(rows, indent=1))
    wanted = preferences(imported("trl", jsonl(tmp_path / "x.jsonl", *rows)))
    assert len(wanted) == 5
    assert preferences(imported("trl", jsonl(tmp_path / "x.jsonl.gz", *rows))) == wanted
    for name in ("x.parquet", "single", "x.json"):
        assert preferences(imported("trl", tmp_path / name)) == wanted, name
    assert preferences(imported("trl", tmp_path / "several", split="test")) == wanted
    assert len(imported("trl", tmp_path / "x.parquet", limit=2).pairs) == 2


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), min_size=2, max_size=2, unique=True)


@given(texts=TEXTS)
def test_the_slot_depends_on_content_alone(texts: list[str]) -> None:
    """Whoever is chosen, the same text is `a`; and the opinion always follows the text."""
    request = Request(format="trl", sources=("x",))
    turn, said = (Message(role="user", content="Why?"),), (Said("first"),)
    if not all(text.strip() for text in texts):
        return
    one, two = (gathered([Compared("n", turn, *order, said)], request) for order in (texts, texts[::-1]))
    assert [pair.key for pair in one.pairs] == [pair.key for pair in two.pairs]
    if one.pairs:
        assert {one.opinions[0].verdict, two.opinions[0].verdict} == {"a", "b"}
        assert preferences(one)[0][1:] == tuple(texts)


def test_a_judge_that_always_prefers_the_first_is_at_chance(tmp_path: Path) -> None:
    rows = [{"prompt": f"Why {i}?", "chosen": f"Because of {i}.", "rejected": "No."} for i in range(1000)]
    verdicts = imported("trl", jsonl(tmp_path / "x.jsonl", *rows)).account.verdicts
    assert 450 < verdicts["a"] < 550


def test_the_same_pair_twice_is_one_pair_with_two_opinions(tmp_path: Path) -> None:
    row = TRL["explicit"]
    turned = {"prompt": "Why?", "chosen": "No.", "rejected": "So."}
    found = imported("trl", jsonl(tmp_path / "x.jsonl", row, turned, row))
    assert (len(found.pairs), len(found.opinions)) == (1, 3)
    assert found.account.verdicts in ({"a": 2, "b": 1}, {"a": 1, "b": 2})


def test_thumbs_are_kept_and_paired_where_they_differ(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Why?", "completion": "So.", "label": True},
        {"prompt": "Why?", "completion": [says("No.")], "label": False},
        {"prompt": "Why?", "completion": "Hm.", "label": False, "annotator": "u2"},
        {"prompt": "When?", "response": "Now.", "label": True},
        {"prompt": "Who?", "completion": "Me.", "label": True},
        {"prompt": "Who?", "completion": "Me.", "label": False},
        {"prompt": "Who?", "completion": " ", "label": False},
    ]
    found = imported("thumbs", jsonl(tmp_path / "x.jsonl", *rows), voice="user")
    assert [(single.response, single.up) for single in found.singles] == [
        ("So.", True), ("No.", False), ("Hm.", False), ("Now.", True), ("Me.", True), ("Me.", False)
    ]  # fmt: skip
    ((prompt, better, worse),) = preferences(found)
    assert (prompt, better) == ("Why?", "So.")
    assert worse in ("No.", "Hm.")
    assert found.opinions[0].source == found.singles[0].source == "user"
    assert found.account.skipped == {"a response both liked and disliked: not paired": 1, "an empty response": 1}


def test_a_folder_comes_back_as_it_was_and_is_the_same_every_time(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "x.jsonl", *({"prompt": f"{i}?", "completion": f"{u}", "label": u} for i in range(4) for u in (True, False)))  # noqa: E501  # fmt: skip
    more: dict[str, Any] = {"license": "CC-BY-4.0", "url": "https://example.org", "tags": ("x",)}
    found = imported("thumbs", source, **more)
    import_into(tmp_path / "out", "thumbs", source, **more)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    import_into(tmp_path / "out", "thumbs", source, **more)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert list(pair_source(str(tmp_path / "out"))) == found.pairs
    assert read_records(tmp_path / "out" / "singles.jsonl", Single) == found.singles
    account = read_account(tmp_path / "out")
    assert (account.request.license, account.request.url) == ("CC-BY-4.0", "https://example.org")
    assert found.pairs[0].prompt.tags == ("x",)
    opinions = read_opinions(tmp_path / "out")
    assert [opinions.on(pair, "any") for pair in found.pairs] == [[Heard(o, False)] for o in found.opinions]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "x.jsonl", TRL["explicit"])
    with pytest.raises(StoreError, match="holds other files"):
        import_into(tmp_path, "trl", source)
    with pytest.raises(DataError, match=r"nothing could be imported: 1 \(no prompt"):
        import_into(tmp_path / "y", "trl", jsonl(tmp_path / "y.jsonl", SKIPPED["no prompt"]))
    assert list((tmp_path / "y").iterdir()) == []
    with pytest.raises(DataError, match=r"no pairs\.jsonl in it"):
        pair_source(str(tmp_path / "y"))


BAD = [
    (
        "trl",
        "x.jsonl",
        '{"chosen": "a"}\n',
        r"x\.jsonl:1:1: `rejected` is missing; there is `chosen`; .* has `chosen`, `rejected`",
    ),
    (
        "trl",
        "x.csv",
        "prompt,chosen,reject\na,b,c\n",
        r"x\.csv:2:1: `rejected` is missing \(did you mean it by `reject`, ",
    ),
    (
        "trl",
        "x.jsonl",
        '{"chosen": {}, "rejected": "b"}',
        r"1:1: `chosen`: expected text or a list, found a mapping; a row",
    ),
    (
        "trl",
        "x.jsonl",
        '{"chosen": [{"rol": "x"}], "rejected": "b"}',
        r"1:1: `chosen\.0`: `role` is missing \(did you mean it by",
    ),
    ("trl", "x.jsonl", '\n{"chosen": "a", "rejected" 3}\n', r"x\.jsonl:2:28: expected `:` after the key"),
    (
        "trl",
        "x.jsonl",
        '{"chosen": 3, "rejected": "b"}',
        r"x\.jsonl:1:1: `chosen`: expected text or a list, found the number `3`",
    ),
    (
        "thumbs",
        "x.jsonl",
        '{"prompt": "a", "completion": "b", "label": 1}',
        r"x\.jsonl:1:1: `label`: expected true or false, found the number `1`",
    ),
    ("llmbar", "x.json", '[\n {"input": "a"}]', r"x\.json:2:2: `output_1` is missing; there is `input`"),
    ("llmbar", "x.json", "[\n {},\n x]", r"x\.json:3:2: not valid JSON|x\.json:2:2"),
    ("llmbar", "x.json", "{}", r"x\.json:1:1: expected an array"),
    ("xstest", "x.csv", "id,prompt\n1,2\n", r"give two files"),
    ("trl", "x.csv", "chosen,other\n1,2\n", r"x\.csv:2:1: `rejected` is missing; there is `chosen`, `other`"),
    ("annotated-pairs", "x.json", '{"metadata": {"version": "1.0"}}', r"x\.json:1:1: `metadata\.version`"),
    ("annotated-pairs", "x.json", '{"metadata": ', r"x\.json:1:14: not valid JSON"),
    ("trl", "x.parquet", "PAR", r"x\.parquet: not a Parquet file that can be read"),
    ("trl", "x.jsonl.gz", "PAR", r"cannot be unpacked"),
]


@pytest.mark.parametrize(("format_name", "name", "text", "message"), BAD)
def test_a_row_of_another_shape_is_named(tmp_path: Path, format_name: str, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PreceptorError, match=message):
        imported(format_name, tmp_path / name)


def test_a_missing_source_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        imported("trl", tmp_path / "gone.jsonl")
    (tmp_path / "x.jsonl").write_text("\n{")
    with pytest.raises(ConfigError, match=r"x\.jsonl:2:2: expected a key"):
        imported("trl", tmp_path / "x.jsonl")


def test_a_damaged_account_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "import.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"import.json:1:1: `request`: Field required"):
        read_account(tmp_path)


def test_a_long_array_is_read_in_time_that_grows_with_its_length(tmp_path: Path) -> None:
    row = {"input": "a", "output_1": "b", "output_2": "c", "label": 1}
    text = "[\n" + ",\n".join([json.dumps(row)] * 100_000) + "\n]"
    started = time.process_time()
    *_, last = elements(text, "x.json")
    assert (last.line, last.column, last.value) == (100_001, 1, row)
    assert time.process_time() - started < 5


def annotated(comparison: dict[str, Any]) -> str:
    """A file of one annotated pair, with these of its fields changed."""
    whole = {"id": "1", "prompt": "Why?", "response_a": {"text": "So."}, "response_b": {"text": "No."}}
    whole |= {"annotations": {"x": {"pref": "a"}}} | comparison
    return json.dumps({"metadata": {"version": "2.0"}, "annotators": {}, "comparisons": [whole]})


DOUBTFUL = [
    (
        "annotated-pairs",
        "x.json",
        annotated({"metadata": {"tags": ["a"]}}),
        r"x\.json:1:1: `comparisons\.0\.metadata\.tags`: expected text, found a list",
    ),
    (
        "annotated-pairs",
        "x.json",
        annotated({"metadata": {"tags": 3}}),
        r"x\.json:1:1: `comparisons\.0\.metadata\.tags`: expected text, found the number `3`; a row",
    ),
    ("annotated-pairs", "x.json", annotated({"id": ""}), r"x\.json:1:1: `comparisons\.0\.id`: must not be empty"),
    ("annotated-pairs", "x.json", annotated({"prompt": "\ud800"}), r"x\.json:1:1: text with \\ud800 alone"),
    ("trl", "x.jsonl", r'{"chosen": "\udfff", "rejected": "b"}', r"x\.jsonl:1:1: text with \\udfff alone"),
    ("llmbar", "x.json", '[\n {"input": "\\ud800"}]', r"x\.json:2:2: cannot be read: text with \\ud800 alone"),
    (
        "trl",
        "x.jsonl",
        '{"chosen": "a", "rejected": "b", "chosen": "c"}',
        r"x\.jsonl:1:1: the key `chosen` occurs twice",
    ),
    ("llmbar", "x.json", '[{"input": "a", "input": "b"}]', r"x\.json:1:2: .*the key `input` occurs twice"),
    ("trl", "x.csv", "chosen,rejected,chosen\n1,2,3\n", r"x\.csv:1:1: the column `chosen` is there twice"),
    ("trl", "x.csv", 'chosen,rejected\n"1\n",2\n1,2,3\n', r"x\.csv:4:1: 3 cells under 2 columns"),
]


@pytest.mark.parametrize(("format_name", "name", "text", "message"), DOUBTFUL)
def test_what_can_be_meant_in_two_ways_is_refused_with_its_place(
    tmp_path: Path, format_name: str, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PreceptorError, match=message):
        imported(format_name, tmp_path / name)


def test_a_pair_of_surrogates_is_one_character_and_no_tags_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(annotated({"prompt": "\U0001f600", "metadata": {"tags": None}}))
    [pair] = imported("annotated-pairs", tmp_path / "x.json").pairs
    assert (pair.prompt.conversation[-1].content, pair.prompt.tags) == ("\U0001f600", ())


@pytest.mark.parametrize(
    ("name", "text"), [("state.json", "[]"), ("dataset_dict.json", "null"), ("README.md", "---\na: [\n---\n")]
)
def test_a_damaged_data_set_folder_is_one_error(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    jsonl(tmp_path / "train.jsonl", TRL["explicit"])
    with pytest.raises(DataError, match="neither a file that is there"):
        imported("trl", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("csv",), "FORMAT: expected one of `trl`, `hh-rlhf`, "),
        (("csv",), "found the text `csv`. What kind of file it is shows in its name"),
        (("tlr",), "found the text `tlr`; did you mean `trl`?"),
        (("trl", "--limit", "0"), "--limit: must be above 0, found the number `0`"),
        (("trl", "--voice", "me"), "--voice: expected one of `human`, `ai`, `user`, `expert`, found the text `me`"),
    ],
)
def test_a_wrong_option_is_said_in_our_words(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = preceptor("import", words[0], "x.csv", "--out", "x", *words[1:], cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Input should be" not in done.stderr
