"""The model card: everything that it promises is on it, and nobody's text can act on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from constitution.model import Constitution, Principle
from generate.engine import ModelRef
from reports.behaviour import BehaviourTable, PrincipleRow
from reports.card_behaviour import TITLE, with_behaviour
from reports.card_parts import JudgeCard, escaped
from reports.model_card import Audited, ModelCardFacts, model_card
from reports.statistics import Interval
from tests.test_train import model, run  # noqa: F401  (fixture)
from train.settings import TrainSettings
from train.summary import TrainSummary

pytestmark = pytest.mark.usefixtures("one_thread")

NASTY = "Be kind | <script>alert(1)</script> [x](javascript:y) **now**\n# Heading \u202e `code`"


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory, model: ModelRef) -> TrainSummary:  # noqa: F811
    return run(tmp_path_factory.mktemp("card"), model, epochs=1).summary


def facts(summary: TrainSummary, **changes: Any) -> ModelCardFacts:
    constitution = Constitution(
        name="card",
        principles=(Principle(id="kind", text=NASTY, weight=2.0), Principle(id="short", text="The answer is short.")),
    )
    whole = ModelCardFacts(
        run="my-run",
        constitution=constitution,
        judges=(JudgeCard("real", "llm", "org/judge, revision abc123", "judge-digest"),),
        labels={"labelled": 20, "undecided": 3},
        settings=TrainSettings().meaning(),
        summary=summary,
        audit=Audited(True, ("It agrees with people on 71.2 % [64.0, 77.9] of 160 pairs.",)),
    )
    return whole._replace(**changes)


def plain(card: str) -> str:
    """What a reader of the rendered page sees, as far as escapes go."""
    return card.replace("\\", "")


def test_everything_is_on_it(summary: TrainSummary) -> None:
    card = model_card(facts(summary))
    text = plain(card)
    for said in (
        facts(summary).constitution.key,
        "The answer is short.",
        "org/judge, revision abc123",
        "judge-digest",
        "| labelled | 20 |",
        "| undecided | 3 |",
        "| learning_rate | 0.0002 |",
        "It agrees with people on 71.2 % [64.0, 77.9] of 160 pairs.",
        "The judge passed.",
        "tiny (revision tiny-7)",
    ):
        assert said in text
    against = next(one for one in summary.watched if one.name == "against")
    assert against.figure
    assert against.figure.low is not None
    row = f"| all labels | {against.figure.value:.3f} | {against.figure.low:.3f} to {against.figure.high:.3f} | 4 | 2 |"
    assert row in text
    assert summary.heldout
    assert summary.heldout.margin is not None
    assert f"held out: loss {summary.heldout.loss:.4f}, n = {summary.heldout.n}; share ranked as labelled " in text
    assert "| (2p − 1) h against the reference, nats a sequence | estimate |" in text, "which is no margin"
    assert all(plain(escaped(warning)) in text for warning in summary.warnings)
    assert "tau" not in text


def test_the_hub_reads_its_head(summary: TrainSummary, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(model_card(facts(summary)), encoding="utf-8")
    head = ModelCard.load(tmp_path / "README.md").data.to_dict()
    assert head["base_model"] == "tiny"
    assert head["tags"] == ["preceptor", "preference-training", "dpo"]
    assert "datasets" not in head
    ((result,), figure) = (
        head["model-index"][0]["results"],
        next(one.figure for one in summary.watched if one.name == "ranking"),
    )
    assert figure
    assert result["metrics"][0]["value"] == round(figure.value, 4)
    assert f"n = {figure.n} pairs of {figure.prompts} prompts, 95 % " in result["metrics"][0]["name"]


def test_its_head_names_where_the_weights_and_the_data_are_on_the_hub(summary: TrainSummary) -> None:
    bundled = summary.model.model_copy(update={"name": "bundled:smollm2-135m-instruct"})
    card = model_card(facts(summary.model_copy(update={"model": bundled, "heldout": None}), data_sets=("org/data",)))
    head = ModelCard(card).data.to_dict()
    assert head["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert head["datasets"] == ["org/data"]
    assert "model-index" not in head
    folder = summary.model.model_copy(update={"name": "/home/somebody/model"})
    assert "base_model" not in ModelCard(model_card(facts(summary.model_copy(update={"model": folder})))).data.to_dict()


def test_texts_cannot_act(summary: TrainSummary) -> None:
    card = model_card(facts(summary, run="a\n## b <img src=x>"))
    assert "<script" not in card
    assert "<img" not in card
    assert "x](javascript" not in card
    assert "\u202e" not in card
    assert "# Heading" not in card.splitlines()
    row = next(line for line in card.splitlines() if line.startswith("| kind |"))
    assert row.replace("\\|", "").count("|") == 5


def test_without_an_audit_or_held_out_pairs_it_says_so(summary: TrainSummary) -> None:
    card = model_card(facts(summary.model_copy(update={"heldout": None}), audit=None))
    assert "None were held out" in card
    assert "## The judge's audit\n\nThere is none." in card
    failed = model_card(facts(summary, audit=Audited(False, ())))
    assert "did not pass" in failed


def behaviour(**changes: Any) -> BehaviourTable:
    rate = Interval(estimate=0.628, low=0.583, high=0.67, n=60)
    row = PrincipleRow(
        id="short", win_rate=rate, comparisons=177, identical=3, failed=3, detectable=0.06, p=0.001, p_holm=0.002,
        outcome="intended", verdict="moved as intended",
    )  # fmt: skip
    alone = row.model_copy(
        update={
            "id": "kind", "outcome": "unmeasured",
            "win_rate": rate.model_copy(update={"low": None, "high": None, "n": 1}), "comparisons": 3,
        }
    )  # fmt: skip
    table = BehaviourTable(prompts=60, samples=3, level=0.95, principles=(row, alone), features=())
    return table.model_copy(update=changes)


def test_win_rates_take_the_place_of_their_absence_and_nothing_else_changes(summary: TrainSummary) -> None:
    before = model_card(facts(summary))
    assert "Not measured yet: `preceptor behaviour` writes here" in before
    card = with_behaviour(before, behaviour(), "re|al")
    assert "Not measured yet" not in card
    assert "| short | 62.8 % | 58.3 to 67.0 % | 60 | 177 | moved as intended |" in card
    assert "| kind | 62.8 % | no interval: one prompt | 1 | 3 | not measured |" in card
    assert "as the judge re\\|al sees it: means over 60 held-out prompts with 3 answers from each model" in card
    head, _, rest = before.partition(TITLE)
    assert card.startswith(head)
    assert card.endswith(rest[rest.index("## The judge's audit") :])
    assert ModelCard(card).data.to_dict() == ModelCard(before).data.to_dict()


def test_measured_again_they_are_replaced_and_an_edited_card_keeps_its_edits(summary: TrainSummary) -> None:
    first = with_behaviour(model_card(facts(summary)), behaviour(), "rules") + "\n## My notes\n\nKeep these.\n"
    again = with_behaviour(first, behaviour(prompts=61), "rules")
    assert again == first.replace("means over 60 held-out", "means over 61 held-out")
    assert with_behaviour("# Mine\n", behaviour(), "rules").startswith(f"# Mine\n\n{TITLE}\n\nWin rate")
