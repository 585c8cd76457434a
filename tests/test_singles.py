"""Thumbs up and down of an import: trained on where the loss can, said to be left aside where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from constitution.errors import ConfigError
from generate.engine import ModelRef
from generate.records import Prompt
from judge.imports.found import Single
from pipeline.run import run_pipeline
from pipeline.singles import training_singles
from tests.importing import import_into
from tests.judging import a_pair, a_prompt
from tests.runs import HELDOUT
from tests.test_imports import jsonl
from train.records import TrainPair

RUN = """\
name: thumbs
constitution: constitution.yaml
prompts: {{heldout: heldout.jsonl}}
pairs: gold
model: {model}
judges: {{users: {{kind: recorded, file: gold}}}}
judge: users
train: {{loss: kto, lora: {{r: 4, alpha: 8}}, pairs_per_step: 4, epochs: 1, heldout_fraction: 0}}
"""


def single(prompt: Prompt, response: str, up: bool) -> Single:
    return Single(prompt=prompt, response=response, up=up, source="user")


def test_each_response_counts_once_and_none_that_a_pair_has() -> None:
    pair = a_pair("Yes.", "No.", a_prompt("Is it?"))
    trained = TrainPair(
        key=pair.key, prompt_id="p", conversation=pair.prompt.conversation, a="Yes.", b="No.", p=0.8, shares=()
    )
    other = Prompt(id="q", prompt="Why?")
    ratings = [(other, "So.", True), (other, "So.", True), (other, "So.", False), (other, "Yes.", False)]
    rated = [single(*rating) for rating in [*ratings, (pair.prompt, "Yes.", True)]]
    found = training_singles(rated, [trained])
    assert [(one.text, one.p, one.prompt_id) for one in found] == [
        ("So.", pytest.approx(2 / 3), "q"),
        ("Yes.", 0.0, "q"),
    ]
    assert len({one.key for one in found}) == 2
    assert len(training_singles(rated, [])) == 3


@pytest.fixture(scope="module")
def folder(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thumbs on 8 prompts: 6 with both kinds, which make pairs, and 2 with one kind only."""
    folder = tmp_path_factory.mktemp("thumbs")
    rows = [
        {"prompt": f"What is {i}?", "completion": f"It is {word} {i}.", "label": word == "number"}
        for i in range(8)
        for word in (("number", "nothing") if i < 6 else ("number",) if i == 6 else ("nothing",))
    ]
    import_into(folder / "gold", "thumbs", jsonl(folder / "x.jsonl", *rows), voice="user")
    (folder / "constitution.yaml").write_text("name: t\nprinciples:\n- {id: liked, text: Users liked it.}\n")
    prompts = ({"id": s, "prompt": f"Tell me of {s}."} for s in HELDOUT)
    (folder / "heldout.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    (folder / "run.yaml").write_text(RUN.format(model=tiny_model.path))
    for stage in ("generate", "judge", "label", "train"):
        run_pipeline((stage,), folder / "run.yaml", {}, [], folder / "runs", dry_run=False)
    return folder


def test_kto_learns_from_pairs_and_singles(folder: Path) -> None:
    summary = json.loads((folder / "runs" / "thumbs" / "50-training.json").read_text())
    assert (summary["pairs"], summary["heldout_pairs"]) == (8, 0)
    assert not any("single responses" in warning for warning in summary["warnings"])


def test_a_loss_of_pairs_says_what_it_left_aside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_pipeline(("train",), folder / "run.yaml", {}, ["train.loss=dpo"], folder / "runs", dry_run=False)
    assert "14 single responses were not trained on as such: dpo compares two answers" in capsys.readouterr().out
    assert json.loads((folder / "runs" / "thumbs" / "50-training.json").read_text())["pairs"] == 6


def test_rated_prompts_may_not_be_held_out_either(folder: Path) -> None:
    (folder / "same.jsonl").write_text('{"id": "x", "prompt": "What is 7?"}\n')
    with pytest.raises(ConfigError, match="that were not trained on"):
        run_pipeline(
            ("generate",), folder / "run.yaml", {}, ["prompts.heldout=same.jsonl"], folder / "runs", dry_run=True
        )
