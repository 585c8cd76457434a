"""Annotated pairs v2.0: a file as Inverse Constitutional AI writes it, and our own there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from constitution.model import Principle
from generate.records import Message, Pair
from judge.annotated import annotated_pairs
from judge.imports.annotated_pairs import Annotator, principle_ids
from judge.labels import label_pair
from judge.opinions import Opinions
from judge.records import Order, Vote
from tests.importing import imported
from tests.judging import a_constitution, a_pair, a_prompt, a_vote, llm_judge, some_pairs
from tests.test_imports import preferences

FILE: dict[str, Any] = {
    "metadata": {
        "version": "2.0",
        "description": "Annotated pairs dataset with annotations from ICAI",
        "created_at": "2025-05-07T18:35:36Z",
        "dataset_name": "x",
        "default_annotator": "ba751e7b",
        "available_metadata_keys_per_comparison": ["index"],
    },
    "annotators": {
        "ba751e7b": {"name": "preferred_text", "description": "Default annotator", "type": "unknown"},
        "7c2f8a11": {"name": "Ada", "description": "An expert", "type": "human"},
        "bf731c7f": {"description": "Select the response that is more concise", "type": "principle"},
        "051d9a8c": {"description": "Select the response that has a more friendly tone", "type": "principle"},
    },
    "comparisons": [
        {
            "id": "a4e9e77e",
            "prompt": "Why?",
            "response_a": {"text": "So.", "model": "m1"},
            "response_b": {"text": "Because it is so."},
            "annotations": {
                "ba751e7b": {"pref": "b"},
                "7c2f8a11": {"pref": "a"},
                "bf731c7f": {"pref": "a"},
                "051d9a8c": {"pref": None, "no_pref_reason": "not_applicable"},
            },
            "metadata": {"index": "0"},
        },
        {
            "id": "b4e9e77e",
            "prompt": "When?",
            "response_a": {"text": "Now."},
            "response_b": {"text": "Then."},
            "annotations": {
                "ba751e7b": {"pref": None, "no_pref_reason": "tie"},
                "bf731c7f": {"pref": None, "no_pref_reason": "invalid"},
            },
        },
        {
            "id": "c4e9e77e",
            "prompt": None,
            "response_a": {"text": "1"},
            "response_b": {"text": "2"},
            "annotations": {"ba751e7b": {"pref": "a"}},
        },
    ],
}


def test_a_file_of_inverse_constitutional_ai(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(FILE))
    found = imported("annotated-pairs", path, voice="user")
    friendly = "principle-select-the-response-that-has-a-more-fr"
    assert found.account.principles == {
        "bf731c7f": "Select the response that is more concise",
        friendly: "Select the response that has a more friendly tone",
    }
    assert found.account.skipped == {"an annotation without a preference: invalid": 1, "no prompt": 1}
    said = [(o.principle, o.annotator, o.source) for o in found.opinions]
    assert said == [
        (None, "preferred_text", "user"),
        (None, "Ada", "human"),
        ("bf731c7f", "", "ai"),
        (friendly, "", "ai"),
        (None, "preferred_text", "user"),
    ]
    longer, short = "Because it is so.", "So."
    assert preferences(found) == [
        ("Why?", longer, short), ("Why?", short, longer), ("Why?", short, longer), ("Why?", None, None),
        ("When?", None, None),
    ]  # fmt: skip
    assert [o.side for o in found.opinions][3:] == ["abstain", "tie"]


def test_ids_are_unique_and_fit_a_constitution() -> None:
    same = Annotator(description="Be kind!", type="principle")
    ids = principle_ids({"1": same, "2": same, "x": Annotator(type="human"), "kind": same})
    assert ids == {"1": "principle-be-kind", "2": "principle-be-kind-1", "kind": "kind"}
    for name in ids.values():
        Principle(id=name, text="x")


LAW = a_constitution(
    [
        Principle(id="for", text="Good."),
        Principle(id="against", text="Bad.", polarity="against"),
        Principle(id="scoped", text="Long.", scope=("long",)),
    ]
)


def _labels(pairs: list[Pair], logits: dict[str, float | None]) -> Any:
    judge = llm_judge(LAW)
    orders: tuple[Order, ...] = ("ab", "ba")

    def votes(pair: Pair, principle: Principle) -> list[Vote]:
        sign = {"ab": 1, "ba": -1}
        logit = logits[principle.id]
        return [a_vote(judge, pair, principle, o, None if logit is None else sign[o] * logit) for o in orders]

    return {p.key: label_pair(p, {q.id: votes(p, q) for q in LAW.principles}, LAW, judge) for p in pairs}


def test_export_says_what_each_principle_prefers_and_comes_back(tmp_path: Path) -> None:
    turns = [Message(role="system", content="s"), Message(role="user", content="u")]
    pairs = [*some_pairs(2), a_pair("x", "y", a_prompt(turns=turns))]
    exported = annotated_pairs(pairs, _labels(pairs, {"for": 1.0, "against": 2.0, "scoped": None}), LAW, "n", "now")
    first = exported["comparisons"][0]["annotations"]
    assert first["principle-for"] == {"pref": "a", "p_a": pytest.approx(0.7310586)}
    # The constitution prefers a because b satisfies the text more.
    assert first["principle-against"] == {"pref": "b", "p_a": pytest.approx(1 - 0.8807970)}
    assert first["principle-scoped"] == {"pref": None, "no_pref_reason": "invalid"}
    assert exported["comparisons"][1]["annotations"]["principle-scoped"]["no_pref_reason"] == "not_applicable"
    path = tmp_path / "x.json"
    path.write_text(json.dumps(exported))
    found = imported("annotated-pairs", path)
    assert [(p.prompt.conversation, p.prompt.tags) for p in found.pairs] == [
        (p.prompt.conversation, p.prompt.tags) for p in pairs
    ]
    assert {o.source for o in found.opinions} == {"ai"}
    opinions = Opinions(found.opinions)
    for pair in pairs:
        ((heard,),) = (opinions.on(pair, "against"),)
        assert heard.p_of_a(0.8) == pytest.approx(1 - 0.8807970)


def test_a_tie_and_a_pair_without_label_have_reasons() -> None:
    pairs = some_pairs(1)
    tied = annotated_pairs(pairs, _labels(pairs, {"for": 0.0, "against": 0.0, "scoped": 0.0}), LAW, "n", "now")
    annotations = tied["comparisons"][0]["annotations"]
    assert annotations["principle-for"] == {"pref": None, "no_pref_reason": "tie", "p_a": 0.5}
    assert annotations["ba751e7b"] == {"pref": None, "no_pref_reason": "undecided"}
