"""The audit in a run: what it costs, what it leaves, when training is refused, and how that is overridden."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
import typer

from constitution.errors import DataError, JudgeError
from generate.engine import ModelRef
from generate.tokens import load_tokenizer, spellings
from judge.audit.card import Card
from judge.template import load_template, render
from pipeline.command_audit import run_audit
from pipeline.run import run_pipeline
from pipeline.stage_audit import card_lines
from tests.judging import PRINCIPLES, a_pair
from tests.runs import preceptor, write_run

READER = ("judge=reader",)


def stages(folder: Path, *names: str, settings: tuple[str, ...] = READER, accept: tuple[str, ...] = ()) -> None:
    run_pipeline(names, folder / "run.yaml", {}, settings, folder / "runs", accept=accept)


def card(folder: Path) -> Card:
    return Card.model_validate_json((folder / "runs" / "tiny" / "35-audit.json").read_text(encoding="utf-8"))


def votes(folder: Path) -> int:
    with sqlite3.connect(f"file:{folder / 'runs' / 'tiny' / '30-votes.sqlite'}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT count(*) FROM records").fetchone()[0])


@pytest.fixture(scope="module")
def slot_model(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random model, with output rows by which it says A wherever a judge's prompt ends, B being a little less."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model.path)
    prompt = render(load_template("chat"), a_pair("One.", "Two."), PRINCIPLES[0], "ab", "direct", 1000)
    chat = [message.model_dump() for message in prompt.messages]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
    with torch.no_grad():
        last_D = model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
        for letter_ids, size in zip(spellings(tokenizer, ["A", "B"]), (24.0, 20.0), strict=True):
            model.lm_head.weight[letter_ids[0]] = size * last_D / last_D.dot(last_D)
    folder = tmp_path_factory.mktemp("slot")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def judged(tiny_model: ModelRef, slot_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to its labels, judged by a model that votes by place."""
    folder = tmp_path_factory.mktemp("judged")
    run_file = write_run(folder, tiny_model.path)
    text = run_file.read_text(encoding="utf-8")
    reader = f"reader: {{kind: llm, engine: embedded, model: {slot_model}, readout: direct}}"
    run_file.write_text(re.sub(r"reader: \{.*\}", reader, text), encoding="utf-8")
    for name in ("generate", "judge", "audit", "label"):
        stages(folder, name)
    return folder


@pytest.fixture
def copied(judged: Path, tmp_path: Path) -> Path:
    shutil.copytree(judged, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_cheap_card_costs_no_vote_and_is_there(judged: Path) -> None:
    found = card(judged)
    assert found.settings is None
    assert votes(judged) == found.figures.votes.votes
    assert [row.id for row in found.principles] == ["short", "few-vowels", "no-repetition"]
    assert {c.name for c in found.gate if c.outcome == "does_not_apply"} == {
        "accuracy",
        "negation",
        "repeat",
        "injection",
    }
    said = [line for line in card_lines(found) if "not measured" in line]
    assert said == ["gate, not measured and so not demanded: accuracy, negation, repeat, injection"]
    page = (judged / "runs" / "tiny" / "35-audit.html").read_text(encoding="utf-8")
    assert "<p>Not measured and so not demanded: accuracy, negation, repeat, injection.</p>" in page
    assert page.lower().count("not measured") == 1


def test_training_on_a_refused_judge_names_criterion_figure_and_way_out(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not card(copied).passed
    with pytest.raises(JudgeError) as caught:
        stages(copied, "train")
    said = str(caught.value)
    assert "judge `reader` did not pass its audit" in said
    assert re.search(r"order_consistency \(.*\): \d+ % \[\d+ %, \d+ %\], n = \d+", said)
    assert "`--accept-judge reader`, or `accept: [reader]`" in said
    assert not (copied / "runs" / "tiny" / "50-policy").exists()
    with pytest.raises(JudgeError):
        stages(copied, "train", accept=("another",))
    short = (*READER, "train.epochs=1")
    stages(copied, "train", settings=short, accept=("reader",))
    assert (copied / "runs" / "tiny" / "50-policy" / "model.safetensors").exists()
    assert "is accepted by name" in capsys.readouterr().out


def test_labels_of_another_judge_are_not_trained_on_under_this_ones_card(copied: Path) -> None:
    stages(copied, "judge", settings=())
    with pytest.raises(DataError, match="labels by another judge than `rules` is now: give the flags"):
        stages(copied, "train", settings=())
    assert not (copied / "runs" / "tiny" / "50-policy").exists()


def test_accepting_in_the_run_file_changes_no_figure(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages(copied, "audit", settings=(*READER, "audit.probes=[]"))
    before = card(copied)
    accepting = (*READER, "audit={accept: [reader], probes: []}", "train.epochs=1")
    stages(copied, "audit", settings=accepting)
    assert "audit: nothing to do" in capsys.readouterr().out
    stages(copied, "train", settings=accepting)
    assert card(copied) == before


def test_rules_pass_for_what_they_are_and_a_stale_card_is_made_anew(copied: Path) -> None:
    for name in ("judge", "label"):
        stages(copied, name, settings=())
    assert card(copied).about.judge == "reader"
    stages(copied, "train", settings=("train.epochs=1",))
    found = card(copied)
    assert found.about.judge == "rules"
    assert found.passed
    assert found.about.one_order is not None
    assert "antisymmetric" in found.words[0]


def test_the_command_exits_with_its_own_code_and_again_asks_nothing(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = (*READER, "audit={pairs: 4, payloads: 2}")
    run_audit(copied / "run.yaml", {}, asking, copied / "runs", dry_run=True)
    planned = re.findall(r"probe `(\w+)`: (?:at most )?(\d+) votes", capsys.readouterr().out)
    asked, before = {name: int(n) for name, n in planned}, votes(copied)
    done = preceptor("audit", "run.yaml", "--judge", "reader", "--set", asking[1], cwd=copied)
    assert done.returncode == 3, done.stderr
    assert "Judge `reader` did not pass" in done.stdout
    exact = asked["negation"] + asked["null"] + asked["repeat"]
    assert exact < votes(copied) - before <= exact + asked["injection"]
    found, after = card(copied), votes(copied)
    assert found.sample == 4
    assert found.injections is not None
    (copied / "runs" / "tiny" / "35-audit.json").unlink()
    with pytest.raises(typer.Exit) as caught:
        run_audit(copied / "run.yaml", {}, asking, copied / "runs", dry_run=False)
    assert caught.value.exit_code == 3
    assert "missing: 35-audit.json" in capsys.readouterr().out
    assert votes(copied) == after
    assert card(copied) == found
    # A run file without `audit` keeps what was asked, as long as the votes are the same.
    stages(copied, "audit")
    assert card(copied) == found


def test_a_negation_of_no_principle_and_a_missing_gold_are_said_in_one_sentence(copied: Path) -> None:
    with pytest.raises(DataError, match=r"`audit\.negations` names shirt"):
        stages(copied, "audit", settings=(*READER, "audit={negations: {shirt: {text: Long.}}}"))
    with pytest.raises(DataError, match=r"nowhere: there is no such file"):
        stages(copied, "audit", settings=(*READER, "audit={probes: [], gold: nowhere}"))


def test_the_page_loads_nothing_and_escapes_what_others_wrote(copied: Path) -> None:
    constitution = copied / "constitution.yaml"
    text = constitution.read_text(encoding="utf-8")
    constitution.write_text(text.replace("The answer is short.", "Short. <script>alert(1)</script>"), encoding="utf-8")
    for name in ("judge", "audit"):
        stages(copied, name, settings=(*READER, "audit={pairs: 2, payloads: 2}"))
    page = (copied / "runs" / "tiny" / "35-audit.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="(?!#|35-audit\.json)', page)
    assert "\x1b" not in page
    assert "\u202e" not in page
    json.loads((copied / "runs" / "tiny" / "35-audit.json").read_text(encoding="utf-8"))
    for cell in re.findall(r'<span class="interval">(.*?)</span></span>', page, flags=re.DOTALL):
        assert "n&nbsp;=&nbsp;" in cell
        assert "[" in cell or "no interval" in cell
