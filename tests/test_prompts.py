"""Prompt files: faults at line and column, repeats with both lines; and no held-out prompt that was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.errors import ConfigError, DataError
from generate.prompts import check_disjoint, find_overlaps, load_prompts, normalise, prompt_source, similarity
from generate.records import Message, Prompt


def faults(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_prompts(path)
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


def ask(name: str, text: str) -> Prompt:
    return Prompt(id=name, prompt=text)


def test_both_forms_in_order(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(
        '\ufeff{"id": "b", "prompt": "Hi\\u2028there", "tags": ["x"]}\r\n\n'
        '{"id": "a", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Ü"}]}',
        encoding="utf-8",
    )
    b, a = load_prompts(path)
    assert (b.id, b.prompt, b.tags) == ("b", "Hi\u2028there", ("x",))
    assert a.conversation == (Message(role="system", content="S"), Message(role="user", content="Ü"))


def test_every_fault_of_every_line(tmp_path: Path) -> None:
    text = """\
{"id": "a", "prompt": "x"}
{"id": "é", "promt": "x"}
{"id": 5, "messages": [{"role": "usr", "content": ""}]}
{"id" 5}
[1]
{"id": "b", "prompt": "y", "id": "c", "tags": "q"}
{"id": "d", "prompt": "\\ud800"}
{"id": "e", "prompt": "z", "messages": [{"role": "user", "content": "z"}]}
{"id": "f", "messages": [{"role": "assistant", "content": "z"}]}
{"id": "g", "prompt": "x"
"""
    assert faults(tmp_path / "p.jsonl", text) == [
        "2:13: unknown key `promt`; did you mean `prompt`?",
        '3:8: `id`: expected text, found the number `5`; put it in quotes: "5"',
        "3:33: `role`: expected one of `system`, `user`, `assistant`, found the text `usr`; did you mean `user`?",
        "3:51: `content`: must not be empty",
        "4:7: expected `:` after the key",
        "5:1: expected one record in `{ }` on each line",
        "6:28: the key `id` is already at column 2",
        "6:47: `tags`: expected a list, found the text `q`; a list is written in brackets: [q]",
        "7:30: not valid JSON: unexpected end of hex escape",
        "8:1: give exactly one of `prompt` and `messages`",
        "9:1: `messages` must end with the user's turn",
        "10:26: expected `,` or a closing bracket here",
    ]


def test_repeats_name_both_lines(tmp_path: Path) -> None:
    text = (
        '{"id": "a", "prompt": "x"}\n\n{"id": "a", "prompt": "y"}\n'
        '{"messages": [{"role": "user", "content": "x"}], "id": "b"}\n{"id": "c", "prompt": "z", "id": "d"}\n'
    )
    assert faults(tmp_path / "p.jsonl", text) == [
        "3:8: the id `a` is already on line 1",
        "4:14: the same conversation is already on line 1",
        "5:28: the key `id` is already at column 2",
    ]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_prompts(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=r"p\.jsonl: no prompts; expected lines such as"):
        load_prompts(path)


def test_a_long_line_is_shown_around_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "prompt": "' + "日本" * 200 + '", "tgas": []}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_prompts(path)
    where, line, caret = str(caught.value).split("\n")
    assert where.endswith("p.jsonl:1:427: unknown key `tgas`; did you mean `tags`?")
    shown = line.removeprefix("    …")
    wide = shown.index('"tgas"')
    assert caret == " " * (4 + 1 + sum(2 if c in "日本" else 1 for c in shown[:wide])) + "^"


TEN = "how do I make a cup of very good tea"


def test_the_same_but_for_case_space_and_punctuation() -> None:
    train = [ask("t1", "Unrelated."), ask("t2", "How do I make\ttea?")]
    heldout = [ask("h1", "how DO i, make tea"), ask("h2", "What is rain?")]
    with pytest.raises(DataError) as caught:
        check_disjoint(train, heldout)
    assert str(caught.value) == (
        "behaviour must be measured on prompts that were not trained on: held-out `h1` is also training prompt `t2`"
    )


def test_what_was_read_from_files_is_named_by_its_places(tmp_path: Path) -> None:
    train, heldout = tmp_path / "train.jsonl", tmp_path / "heldout.jsonl"
    train.write_text('{"id": "t1", "prompt": "Unrelated."}\n\n{"id": "t2", "prompt": "How do I make tea?"}\n')
    heldout.write_text('{"id": "h1", "prompt": "What is rain?"}\n{"id": "h2", "prompt": "how do I make TEA"}\n')
    with pytest.raises(ConfigError) as caught:
        check_disjoint(prompt_source(train), load_prompts(heldout))
    (problem,) = caught.value.problems
    assert str(problem).split("\n")[0] == (
        f"{heldout}:2:24: held-out `h2` is also training prompt `t2` ({train}:3): behaviour must be measured on "
        "prompts that were not trained on; take one of them out"
    )


def test_near_duplicates_are_named() -> None:
    with pytest.raises(DataError, match=r"held-out `h` shares 90% of its words with training prompt `t`"):
        check_disjoint([ask("t", TEN)], [ask("h", TEN.replace("very ", ""))])
    check_disjoint([ask("t", TEN)], [ask("h", TEN.replace("very", "really"))])
    check_disjoint([ask("t", "!?")], [ask("h", "...")])


def test_system_messages_do_not_make_prompts_alike() -> None:
    def long(name: str, text: str) -> Prompt:
        system = Message(
            role="system", content="You are a patient and careful cook who answers every question in full."
        )
        return Prompt(id=name, messages=(system, Message(role="user", content=text)))

    check_disjoint([long("t", "Tea?")], [long("h", "Rain?")])


def test_many_overlaps_are_counted() -> None:
    train = [ask(f"t{i}", f"question number {i}") for i in range(13)]
    heldout = [ask(f"h{i}", f"Question number {i}!") for i in range(13)]
    with pytest.raises(DataError, match=r"`h9` is also training prompt `t9`; and 3 more$"):
        check_disjoint(train, heldout)


PROMPTS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=14).map(" ".join), max_size=12)


@settings(max_examples=300, deadline=None)
@given(train=PROMPTS, heldout=PROMPTS)
def test_the_word_index_finds_what_comparing_everything_finds(train: list[str], heldout: list[str]) -> None:
    ts, hs = [ask(f"t{i}", t) for i, t in enumerate(train)], [ask(f"h{i}", t) for i, t in enumerate(heldout)]
    best = {h.id: max((similarity(normalise(h), normalise(t)) for t in ts), default=0.0) for h in hs}
    assert {o.heldout: o.similarity for o in find_overlaps(ts, hs)} == {n: s for n, s in best.items() if s >= 0.9}


def test_real_prompts(shared_data: Path) -> None:
    """MT-Bench took two of Vicuna's questions over; and each set is found in itself."""
    sets = []
    for name in ("mt_bench_question", "vicuna_bench_question"):
        lines = (shared_data / "prompts" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        sets.append([ask(f"{name}-{row['question_id']}", row["turns"][0]) for row in rows])
    shared = find_overlaps(*sets)
    assert [(o.heldout[-2:], o.train[-3:], o.similarity) for o in shared] == [("67", "130", 1.0), ("77", "-81", 1.0)]
    found = find_overlaps(sets[1], sets[1])
    assert [(o.heldout, o.train, o.similarity) for o in found] == [(p.id, p.id, 1.0) for p in sets[1]]
