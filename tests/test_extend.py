"""`extends`: the resolved constitution is the one written out, and every mistake stands where it was made."""
# ruff: noqa: E501 (one row of a table, one line)

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constitution.errors import ConfigError
from constitution.load import MAX_FILES, load_constitution, read_constitution
from constitution.model import Constitution
from constitution.show import as_yaml, yaml_text

BASE = """\
name: base
description: What everybody wants.
aggregation: {abstain_band: 0.1}
principles:
  - id: brief
    text: Be brief.
    weight: 2
    check: {type: words, max: 40}
  - id: kind
    text: Be kind.
    scope: [advise]
"""


def files(folder: Path, **texts: str) -> Path:
    """Each as NAME.yaml; returns the last one."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / f"{name}.yaml"


def test_fields_are_overridden_one_by_one_and_the_rest_is_inherited(tmp_path: Path) -> None:
    child = "name: child\nextends: base.yaml\nprinciples:\n  - {id: kind, weight: 3, scope: []}\n  - {id: new, text: New.}\n"
    found = load_constitution(files(tmp_path, base=BASE, child=child))
    base = load_constitution(tmp_path / "base.yaml")
    assert [p.id for p in found.principles] == ["brief", "kind", "new"]
    assert found.principles[0] == base.principles[0]
    assert (found.principles[1].text, found.principles[1].weight, found.principles[1].scope) == ("Be kind.", 3, ())
    assert (found.name, found.description, found.aggregation) == ("child", "", base.aggregation)


def test_a_rule_is_taken_whole(tmp_path: Path) -> None:
    child = "name: child\nextends: base.yaml\naggregation: {rule: priority, priority: [kind, brief]}\n"
    found = load_constitution(files(tmp_path, base=BASE, child=child)).aggregation
    assert (found.rule, found.abstain_band) == ("priority", 0)


def test_three_files_in_different_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    files(tmp_path, base=BASE)
    files(tmp_path / "sub", middle="name: middle\nextends: ../base.yaml\nprinciples: [{id: kind, weight: 5}]\n")
    top = files(
        tmp_path, top="name: top\nextends: sub/middle.yaml\nremove: [brief]\nprinciples: [{id: kind, text: K.}]\n"
    )
    written = read_constitution(top)
    (only,) = written.constitution.principles
    assert (only.id, only.text, only.weight, only.scope) == ("kind", "K.", 5, ("advise",))
    assert [os.path.basename(file) for file in written.files] == ["top.yaml", "middle.yaml", "base.yaml"]
    lines = {name: (os.path.basename(s.tree.file), s.at.line) for name, s in written.spots["kind"].items()}
    assert lines["text"] == ("top.yaml", 4)
    assert lines["weight"] == ("middle.yaml", 3)
    assert lines["scope"] == ("base.yaml", 11)
    assert written.problem("kind", "scope", "!").snippet == "    scope: [advise]"


class Bad(NamedTuple):
    """A child of BASE, and the messages that it gets."""

    child: str
    messages: tuple[str, ...]


WEIGHTY = "`priority` must list every principle with a weight above 0; left out: kind"
BAD = [
    Bad("remove: [kid]", ("3:10: `remove`: the extended constitution has no principle `kid`; did you mean `kind`?",)),
    Bad("remove: [zz]", ("3:10: `remove`: the extended constitution has no principle `zz`; it has `brief`, `kind`",)),
    Bad("remove: kind", ("3:9: `remove`: expected a list, found the text `kind`; a list is written in brackets: [kind]",)),
    Bad("remove: [brief, kind]", ("1:1: `principles`: needs at least 1 item, has 0",)),
    Bad(
        "principles: [{id: breif, weight: 1}]",
        ("3:19: a new principle needs a `text`, and the extended constitution has no principle `breif`; did you mean `brief`?",),
    ),
    Bad("principles: [{id: brief, wieght: 1}]", ("3:26: unknown key `wieght`; did you mean `weight`?",)),
    Bad("principles: [{id: kind}, {id: new, text: 3}]", ('3:42: `text`: expected text, found the number `3`; put it in quotes: "3"',)),
    Bad("principles: [{id: kind}, {id: kind}]", ("3:31: `id`: `kind` is already on line 3, and ids must be unique",)),
    Bad("principles: [{id: kind, text: a}, {id: kind, text: b}]", ("3:40: `id`: `kind` is already on line 3, and ids must be unique",)),
    Bad("principles: [{weight: 1}]", ("3:14: the key `id` is missing in `principles[0]` (A stable name: lower-case letters, digits and single hyphens)",)),
    Bad("principles: {a: b}", ("3:13: `principles`: expected a list, found a mapping",)),
    Bad("remove: [kind]\nprinciples: [{id: kind, weight: 1}]", ("4:19: `kind` is under `remove` and here: take one of them away",)),
    Bad("aggregation: {rule: priority, priority: [brief]}", (f"1:1: {WEIGHTY}",)),
    Bad("exteds: x.yaml", ("3:1: unknown key `exteds`; did you mean `extends`?",)),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.child[:40])
def test_one_mistake(bad: Bad, tmp_path: Path) -> None:
    path = files(tmp_path, base=BASE, child=f"name: child\nextends: base.yaml\n{bad.child}\n")
    with pytest.raises(ConfigError) as caught:
        load_constitution(path)
    assert {problem.file for problem in caught.value.problems} == {str(path)}
    found = [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]
    assert found == list(bad.messages)


FAULTY = (
    "name: child\nextends: {extends}\nname: again\ntxet: x\nremove: [gone]\nprinciples: [{{id: kind, weight: -1}}]\n"
)
OWN = (
    "child.yaml:3:1: the key `name` is already on line 1",
    "child.yaml:4:1: unknown key `txet`; allowed here: ",
    "child.yaml:6:33: `weight`: must be at least 0, found the number `-1`",
)


@pytest.mark.parametrize(
    ("extends", "place", "message"),
    [
        ("none.yaml", 0, "child.yaml:2:10: `extends`: "),
        ("child.yaml", 0, "child.yaml:2:10: `extends` goes round in a circle"),
        ("broken.yaml", 3, "broken.yaml:3:1: unknown key `principels`"),
    ],
)
def test_a_broken_extends_hides_no_other_fault(extends: str, place: int, message: str, tmp_path: Path) -> None:
    broken = "name: broken\nprinciples: [{id: kind, text: Be kind.}]\nprincipels: []\n"
    path = files(tmp_path, broken=broken, whole=BASE + "extends: broken.yaml\n", child=FAULTY.format(extends=extends))
    with pytest.raises(ConfigError) as caught:
        load_constitution(path)
    expected = [*OWN]
    expected.insert(place, message)
    found = [f"{os.path.basename(p.file)}:{p.line}:{p.column}: {p.message}" for p in caught.value.problems]
    assert len(found) == len(expected)
    assert all(one.startswith(start) for one, start in zip(found, expected, strict=True)), found
    with pytest.raises(ConfigError, match=r"broken\.yaml:3:1: unknown key `principels`"):
        load_constitution(tmp_path / "whole.yaml")


def test_nothing_is_said_to_be_missing_that_the_extended_file_may_have(tmp_path: Path) -> None:
    for own in (
        "",
        "principles: []\n",
        "principles: [{id: kind, weight: 0}]\n",
        "aggregation: {rule: priority, priority: [kind]}\n",
    ):
        path = files(tmp_path, child=f"name: child\nextends: none.yaml\n{own}")
        with pytest.raises(ConfigError) as caught:
            load_constitution(path)
        assert [p.line for p in caught.value.problems] == [2], own


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("none.yaml", "2:10: `extends`: {folder}/none.yaml: there is no such file"),
        (".", "2:10: `extends`: {folder}: this is a folder, a file was expected"),
        ('"a\\0b"', "2:10: `extends`: {folder}/a�b: cannot be read (embedded null byte)"),
        ("child.yaml", "2:10: `extends` goes round in a circle: child.yaml -> child.yaml"),
        ("3", '2:10: `extends`: expected text, found the number `3`; put it in quotes: "3"'),
        ("''", "2:10: `extends`: must not be empty"),
        ("[base.yaml, other.yaml]", "2:10: `extends`: expected text, found a list"),
    ],
)
def test_what_cannot_be_extended(extends: str, message: str, tmp_path: Path) -> None:
    path = files(tmp_path, base=BASE, child=f"name: child\nextends: {extends}\nprinciples: [{{id: kind}}]\n")
    with pytest.raises(ConfigError) as caught:
        load_constitution(path)
    assert str(caught.value).split("\n")[0] == f"{path}:{message.format(folder=tmp_path)}"
    assert len(caught.value.problems) == 1


def test_a_circle_over_several_files_names_them_and_a_link_does_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    files(tmp_path, a="name: a\nextends: b.yaml\n", b="name: b\nextends: link.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load_constitution(tmp_path / "a.yaml")
    circle = "`extends` goes round in a circle: a.yaml -> b.yaml -> a.yaml"
    assert str(caught.value).startswith(f"{tmp_path}/b.yaml:2:10: {circle}\n")


def test_a_parent_with_a_fault_is_where_the_fault_is(tmp_path: Path) -> None:
    path = files(tmp_path, base=BASE.replace("weight", "wieght"), child="name: child\nextends: base.yaml\n")
    with pytest.raises(ConfigError, match=r"base\.yaml:7:5: unknown key `wieght`"):
        load_constitution(path)


def test_a_tower_of_files_ends(tmp_path: Path) -> None:
    for i in range(MAX_FILES + 1):
        files(tmp_path, **{f"f{i}": f"name: f{i}\nextends: f{i + 1}.yaml\n"})
    files(tmp_path, **{f"f{MAX_FILES + 1}": BASE})
    with pytest.raises(ConfigError, match=f"f15.yaml:2:10: `extends`: more than {MAX_FILES} files"):
        load_constitution(tmp_path / "f0.yaml")
    assert load_constitution(tmp_path / "f3.yaml").name == "f3"


TEXTS = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), include_characters="\n"), min_size=1, max_size=20
).filter(str.strip)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "weight": st.sampled_from([0.5, 1.0, 3.0]),
    "axis": TEXTS,
    "scope": st.lists(TEXTS, max_size=2),
    "polarity": st.sampled_from(["for", "against"]),
    "question": TEXTS,
    "check": st.sampled_from([{"type": "lists"}, {"type": "words", "max": 9}]),
    "examples": st.lists(st.fixed_dictionaries({"prompt": TEXTS, "better": TEXTS, "worse": TEXTS}), max_size=2),
}
IDS = ("a", "b", "c", "d", "e")


def principles(required: set[str]) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    fields = st.fixed_dictionaries(
        {name: FIELDS[name] for name in required},
        optional={name: value for name, value in FIELDS.items() if name not in required},
    )
    return st.dictionaries(st.sampled_from(IDS), fields, min_size=1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=principles({"text"}), changes=principles(set()), data=st.data())
def test_extending_is_writing_out(
    base: dict[str, Any], changes: dict[str, Any], data: st.DataObject, tmp_path: Path
) -> None:
    gone = set(data.draw(st.lists(st.sampled_from(sorted(base)), unique=True, max_size=2))) - set(changes)
    added = {i: {"text": "New.", **fields} for i, fields in changes.items() if i not in base}
    whole = {i: {**fields, **changes.get(i, {})} for i, fields in base.items() if i not in gone} | added
    if not whole:
        return
    changed = [{"id": i, **added.get(i, fields)} for i, fields in changes.items()]
    write(tmp_path / "base.yaml", "base", base)
    child = {"name": "child", "extends": "base.yaml", "remove": sorted(gone), "principles": changed}
    (tmp_path / "child.yaml").write_text(yaml_text(child), encoding="utf-8")
    expected = write(tmp_path / "whole.yaml", "child", whole)
    found = load_constitution(tmp_path / "child.yaml")
    assert found == expected
    assert found.key == expected.key
    assert [p.key for p in found.principles] == [p.key for p in expected.principles]
    (tmp_path / "again.yaml").write_text(as_yaml(found), encoding="utf-8")
    assert load_constitution(tmp_path / "again.yaml") == expected


def write(path: Path, name: str, by_id: dict[str, Any]) -> Constitution:
    content = {"name": name, "principles": [{"id": i, **fields} for i, fields in by_id.items()]}
    path.write_text(yaml_text(content), encoding="utf-8")
    return load_constitution(path)
