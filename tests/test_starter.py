"""`constitution init`: what it writes is valid, and every sentence in its comments is true."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from constitution.files import read_text
from constitution.load import load_constitution
from constitution.model import Aggregation, Constitution, Principle
from constitution.starter import STARTER
from judge.audit.probes import with_principles
from judge.by_rules import JudgeByRules
from judge.interface import Ask, Showing
from judge.labels import label_pair
from judge.records import Label
from judge.rules import score
from tests.judging import a_pair, a_prompt, a_vote
from tests.runs import preceptor

TEXT = read_text(STARTER)
GIVEN = load_constitution(STARTER)
BY_ID = {principle.id: principle for principle in GIVEN.principles}


def comments(text: str) -> list[str]:
    """Each block of comment lines as one line; the editor's first line left out."""
    blocks = re.findall(r"(?:^ *# .*\n)+", text.partition("\n")[2], re.MULTILINE)
    return [" ".join(line.strip().removeprefix("# ") for line in block.splitlines()) for block in blocks]


def changed(**fields: object) -> Principle:
    """The first principle with other fields."""
    return BY_ID["short-answer"].model_copy(update=fields)


def label(constitution: Constitution, tags: tuple[str, ...] = (), **logits: float) -> Label:
    """A pair's label where the judge gives these logits, by principle id with underscores."""
    judge, pair = JudgeByRules("rules", 4.0, GIVEN), a_pair("One.", "Two.", a_prompt(tags=tags))
    votes = {i.replace("_", "-"): logit for i, logit in logits.items()}
    by_id = {p.id: p for p in constitution.principles}
    return label_pair(
        pair, {i: [a_vote(judge, pair, by_id[i], "ab", x)] for i, x in votes.items()}, constitution, judge
    )


def the_name_is_held_to_its_form() -> None:
    for good, bad in (("a-1", "A"), ("abc", "a_b"), ("a-b-c", "a--b")):
        GIVEN.model_validate({**GIVEN.model_dump(), "name": good})
        with pytest.raises(ValueError, match="name"):
            GIVEN.model_validate({**GIVEN.model_dump(), "name": bad})


def the_description_is_in_no_key() -> None:
    other = GIVEN.model_copy(update={"description": "Something else."})
    assert other.key == GIVEN.key
    assert label(other, short_answer=1.0).model_dump() == label(GIVEN, short_answer=1.0).model_dump()


def left_out_the_rule_is_this() -> None:
    assert GIVEN.aggregation == Aggregation()


def p_is_the_weighted_mean() -> None:
    """Out of scope, `no-list` drops out; in scope it has one third."""
    assert label(GIVEN, short_answer=2.0).p == pytest.approx(1 / (1 + 2.718281828**-2))
    both = label(GIVEN, ("advise",), short_answer=100.0, no_list=-100.0)
    assert both.p == pytest.approx(2 / 3)


def too_few_votes_make_no_label() -> None:
    assert label(GIVEN, ("advise",), no_list=1.0).reason == "coverage"
    assert label(GIVEN, ("advise",), short_answer=1.0).reason is None


def the_band_abstains() -> None:
    banded = GIVEN.model_copy(update={"aggregation": Aggregation(abstain_band=0.25)})
    p = label(GIVEN, short_answer=1.0).p
    assert p is not None
    assert 0.5 < p < 0.75
    assert label(banded, short_answer=1.0).reason == "undecided"
    assert label(GIVEN, short_answer=0.0).reason == "undecided"


def a_new_id_costs_no_vote() -> None:
    assert changed(id="brief").key == changed().key


def a_new_text_costs_its_votes_only() -> None:
    other = with_principles(GIVEN, [changed(text="Be brief."), *GIVEN.principles[1:]])
    assert [p.key == q.key for p, q in zip(other.principles, GIVEN.principles, strict=True)] == [False, True, True]


def the_first_counts_twice() -> None:
    shares = {
        share.principle: share.weight for share in label(GIVEN, ("explain",), short_answer=1.0, no_list=1.0).shares
    }
    assert shares["short-answer"] == 2 * shares["no-list"]


def any_word_is_an_axis() -> None:
    Principle.model_validate({**changed().model_dump(), "axis": "Any word of mine"})
    assert changed(axis="other").key == changed().key


def one_word_too_few_costs_as_much_as_one_too_many() -> None:
    check = BY_ID["short-answer"].check
    assert check is not None
    assert score(check, "", "w " * 10) == score(check, "", "w " * 60) == 0
    assert score(check, "", "w " * 7) == score(check, "", "w " * 63) == -3


def the_defaults_are_these() -> None:
    assert (BY_ID["no-list"].weight, BY_ID["no-list"].axis) == (1, "general")
    assert not {"weight", "axis"} & BY_ID["no-list"].model_fields_set


def the_scope_selects_by_tag() -> None:
    assert BY_ID["no-list"].applies_to(("advise", "other"))
    assert not BY_ID["no-list"].applies_to(("other",))
    assert BY_ID["short-answer"].applies_to(())


def against_turns_the_preference_round() -> None:
    judge, pair = JudgeByRules("rules", 4.0, GIVEN), a_pair("I like it.", "It is good.")
    alone = with_principles(GIVEN, [BY_ID["first-person"].model_copy(update={"weight": 1.0})])
    (principle,) = alone.principles
    (vote,) = judge.vote([Ask(judge.request(pair, principle, Showing("ab")), pair, principle)])
    assert label_pair(pair, {"first-person": [vote]}, alone, judge).p == pytest.approx(0.018, abs=0.001)
    assert BY_ID["short-answer"].polarity == "for"


def weight_0_is_judged_and_not_in_the_label() -> None:
    found = label(GIVEN, short_answer=1.0, first_person=-4.0)
    assert found.p == label(GIVEN, short_answer=1.0).p
    assert [(share.principle, share.weight) for share in found.shares] == [("first-person", 0), ("short-answer", 1)]


CLAIMS: dict[str, Callable[[], None]] = {
    "The name in reports": the_name_is_held_to_its_form,
    "Free text": the_description_is_in_no_key,
    "How the votes": left_out_the_rule_is_this,
    "p = sum": p_is_the_weighted_mean,
    "A pair gets no label if less": too_few_votes_make_no_label,
    "A pair gets no label if p": the_band_abstains,
    "Reports and commands": a_new_id_costs_no_vote,
    "What the judge reads": a_new_text_costs_its_votes_only,
    "Weights are relative": the_first_counts_twice,
    "Reports group": any_word_is_an_axis,
    "Optional: measured": one_word_too_few_costs_as_much_as_one_too_many,
    "Left out, a weight": the_defaults_are_these,
    "Only prompts with": the_scope_selects_by_tag,
    "`against`": against_turns_the_preference_round,
    "A weight of 0": weight_0_is_judged_and_not_in_the_label,
}


@pytest.mark.parametrize("begins", CLAIMS)
def test_a_comment_is_true(begins: str) -> None:
    CLAIMS[begins]()


def test_every_comment_has_its_proof() -> None:
    first, *said = comments(TEXT)
    assert first.startswith("The line above"), "proved by the test below"
    assert [next(begins for begins in CLAIMS if line.startswith(begins)) for line in said] == list(CLAIMS)


def test_init_then_the_commands_that_it_names(tmp_path: Path) -> None:
    done = preceptor("constitution", "init", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "constitution.yaml"
    assert path.read_text(encoding="utf-8") == TEXT
    schema = preceptor("constitution", "schema", cwd=tmp_path).stdout
    (tmp_path / "constitution.schema.json").write_text(schema, encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", TEXT)
    assert named
    content = load_constitution(path).model_dump(mode="json", exclude_unset=True)
    Draft7Validator(json.loads((tmp_path / named[1]).read_text(encoding="utf-8"))).validate(content)
    checked = preceptor("constitution", "check", "constitution.yaml", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    done = preceptor("constitution", "init", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.yaml: is there already, and is left as it is" in done.stderr
    assert (tmp_path / "mine.yaml").read_text() == "mine"
    done = preceptor("constitution", "init", "no/such/folder.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot be written (No such file or directory)" in done.stderr
