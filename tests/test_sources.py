"""Bring your own labels, through the command line: import, label with recorded opinions, train, report, export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from constitution.errors import ConfigError, DataError, PreceptorError
from constitution.files import read_records
from generate.engine import ModelRef
from generate.records import Pair
from judge.by_rules import JudgeByRules
from judge.labels import weighted_mean
from judge.panel import Panel
from judge.records import Label
from pipeline.command_export import export_command
from pipeline.opened import opened_run
from pipeline.run import run_pipeline
from pipeline.stage_behaviour import _judge as behaviour_judge
from tests.importing import import_into
from tests.runs import HELDOUT, preceptor

CONSTITUTION = """\
name: mixed
principles:
  - {id: liked, text: People liked it., weight: 3, source: crowd}
  - {id: short, text: The answer is short., check: {type: words, max: 4, scale: 4}}
"""
RUN = """\
name: mixed
constitution: constitution.yaml
prompts: {{heldout: heldout.jsonl}}
pairs: gold
model: {model}
generate: {{sampling: {{max_new_tokens: 12}}}}
judges:
  rules: {{kind: rules}}
  people: {{kind: recorded, file: gold, confidence: 0.9}}
judge: rules
sources: {{crowd: people}}
train: {{lora: {{r: 4, alpha: 8}}, learning_rate: 1.0e-2, pairs_per_step: 4, heldout_fraction: 0}}
behaviour: {{samples: 2, resamples: 500}}
"""


@pytest.fixture(scope="module")
def finished(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imported preferences, and a run on them through to its report."""
    folder = tmp_path_factory.mktemp("sources")
    rows = [
        {"prompt": f"What is {i}?", "chosen": f"It is {i}.", "rejected": f"I do not know what {i} is, sorry."}
        for i in range(12)
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "constitution.yaml").write_text(CONSTITUTION)
    prompts = ({"id": s, "prompt": f"Tell me of {s}."} for s in HELDOUT)
    (folder / "heldout.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    (folder / "run.yaml").write_text(RUN.format(model=tiny_model.path))
    done = preceptor("import", "trl", "data.jsonl", "--out", "gold", "--license", "CC0-1.0", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "12 different pairs of 12 prompts" in done.stdout
    assert "skipped: nothing" in done.stdout
    done = preceptor("run", "run.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    (folder / "said.txt").write_text(done.stdout)
    return folder


def labelled(folder: Path) -> list[tuple[Pair, Label]]:
    run = folder / "runs" / "mixed"
    pairs = {pair.key: pair for pair in read_records(run / "20-pairs.jsonl", Pair)}
    return [(pairs[label.pair_key], label) for label in read_records(run / "40-labels.jsonl", Label)]


def test_labels_mix_what_people_said_with_what_rules_measure(finished: Path) -> None:
    rows = labelled(finished)
    assert len(rows) == 12
    assert {label.judge for _, label in rows} == {rows[0][1].judge}
    for pair, label in rows:
        shares = {share.principle: share for share in label.shares}
        assert label.p == weighted_mean(label.shares)
        assert (shares["liked"].weight, shares["short"].weight) == (0.75, 0.25)
        assert shares["liked"].p == pytest.approx(0.9 if pair.a.text.startswith("It is") else 0.1)
    assert {pair.a.text.startswith("It is") for pair, _ in rows} == {True, False}


def test_the_run_says_what_is_unusual_about_it(finished: Path) -> None:
    said = (finished / "said.txt").read_text()
    assert "12 imported pairs of 12 prompts from gold; nothing is sampled" in said
    assert "the pairs were imported, so their answers are not the policy's own" in said
    assert "nobody recorded an opinion on these new answers" in said
    page = (finished / "runs" / "mixed" / "90-report.html").read_text()
    assert "(imported, not sampled) gave" in page
    assert "the pairs were imported" in page
    rows = json.loads((finished / "runs" / "mixed" / "60-behaviour.json").read_text())["principles"]
    by_id: dict[str, Any] = {row["id"]: row for row in rows}
    assert by_id["liked"]["failed"] + by_id["liked"]["identical"] == 2 * len(HELDOUT)
    assert by_id["short"]["failed"] == 0


def test_the_card_of_several_voices_says_who_votes_on_what_and_what_nobody_could_be_asked(finished: Path) -> None:
    dry = preceptor("audit", "run.yaml", "--set", "audit={gold: gold, pairs: 4}", "--dry-run", cwd=finished)
    assert "pairs with gold: 0 votes to ask" in dry.stdout, dry.stdout + dry.stderr
    done = preceptor("audit", "run.yaml", cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads((finished / "runs" / "mixed" / "35-audit.json").read_text())
    voters = {voter["name"]: (voter["kind"], voter["principles"]) for voter in card["about"]["voters"]}
    assert voters == {"people": ("recorded", ["liked"]), "rules": ("rules", ["short"])}
    assert (card["about"]["kind"], card["about"]["model"]) == ("panel", None)
    assert "recorded" in card["principles"][0]["words"][0]
    assert "checks" in card["principles"][1]["words"][0]
    assert "none of them has an order" in card["words"][0]
    left_out = card["about"]["not_probed"]
    assert left_out["injection"] == "liked: recorded opinions cannot be asked about anything else"
    assert "short: it says the same of the same by construction" in left_out["repeat"]
    page = (finished / "runs" / "mixed" / "35-audit.html").read_text()
    assert "<dt>Votes on liked</dt><dd>people, kind recorded" in page


def test_a_judge_named_for_the_behaviour_votes_on_all_principles(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (tmp_path / "constitution.yaml").write_text(
        CONSTITUTION.replace("source: crowd}", "source: crowd, check: {type: words, max: 9}}")
    )
    with opened_run(tmp_path / "run.yaml", {}, (), tmp_path / "runs") as run:
        assert isinstance(behaviour_judge(run), Panel)
    with opened_run(tmp_path / "run.yaml", {}, ("behaviour.judge=rules",), tmp_path / "runs") as run:
        assert isinstance(behaviour_judge(run), JudgeByRules)


def test_a_principle_that_one_judge_votes_on_under_both_names_is_not_compared(finished: Path) -> None:
    done = preceptor("compare-judges", "run.yaml", "--judges", "rules,people", cwd=finished)
    assert "liked: rules and people are one judge here" in done.stdout, done.stdout + done.stderr
    assert "short: rules and people agree" in done.stdout or "short: rules and people cannot" in done.stdout


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    # The first brings the report up to the audits that other tests may have asked for.
    _, done = (preceptor("run", "run.yaml", cwd=finished) for _ in range(2))
    assert "Nothing was recomputed" in done.stdout, done.stdout


def test_a_pair_of_several_voices_is_followed_to_each(finished: Path, tmp_path: Path) -> None:
    """Votes of rules and of people: the label is made again from both, bit for bit."""
    pair, label = next((pair, label) for pair, label in labelled(finished) if label.p is not None)
    done = preceptor("trace", "run.yaml", "--pair", pair.key, "--json", tmp_path / "pair.json", cwd=finished)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pair.json").read_text())
    assert found["p"] == label.p
    judges = {vote["request"]["judge"] for row in found["principles"] for vote in row["votes"]}
    assert len(judges) == 2


def test_export_and_import_give_the_votes_and_labels_back(finished: Path) -> None:
    done = preceptor("export", "run.yaml", "--out", "x.json", cwd=finished)
    assert done.stdout == "12 pairs written to x.json\n", done.stderr
    exported = json.loads((finished / "x.json").read_text())
    assert exported["metadata"]["version"] == "2.0"
    assert exported["metadata"]["default_annotator"] in exported["annotators"]
    assert [a["description"] for a in exported["annotators"].values() if a["type"] == "principle"] == [
        "People liked it.",
        "The answer is short.",
    ]
    done = preceptor("import", "annotated-pairs", "x.json", "--out", "again", cwd=finished)
    assert done.returncode == 0, done.stderr
    (finished / "again.yaml").write_text(
        (finished / "run.yaml").read_text()
        .replace("name: mixed", "name: again")
        .replace("pairs: gold", "pairs: again")
        .replace("judge: rules", "  copy: {kind: recorded, file: again}\njudge: copy")
        .replace("crowd: people", "crowd: copy")
    )  # fmt: skip
    run_pipeline(("generate",), finished / "again.yaml", {}, [], finished / "runs", dry_run=False)
    run_pipeline(("judge",), finished / "again.yaml", {}, [], finished / "runs", dry_run=False)
    run_pipeline(("label",), finished / "again.yaml", {}, [], finished / "runs", dry_run=False)
    again = {label.pair_key: label for label in read_records(finished / "runs" / "again" / "40-labels.jsonl", Label)}
    before = {label.pair_key: label for _, label in labelled(finished)}
    turned = {pair.key: pair.model_copy(update={"a": pair.b, "b": pair.a}).key for pair, _ in labelled(finished)}
    for key, label in before.items():
        copy = again.get(key) or again[turned[key]]
        assert label.p is not None
        assert copy.p == pytest.approx(label.p if key in again else 1 - label.p, abs=1e-9)


def test_another_opinion_asks_that_pair_alone(finished: Path) -> None:
    pair, _ = labelled(finished)[0]
    with (finished / "gold" / "opinions.jsonl").open("a") as stream:
        stream.write(json.dumps({"pair": pair.key, "verdict": "tie", "annotator": "p2"}) + "\n")
    done = preceptor("judge", "run.yaml", cwd=finished)
    assert "changed: judge" in done.stdout
    assert "liked: 1 of 12 to ask" in done.stdout


BAD = [
    ("sources: {crowd: people}", "", "constitution.yaml:3:60: principle `liked` is voted on by `crowd`"),
    ("crowd: people", "crowd: persons", "`sources.crowd` is `persons`, but the file defines only: people, rules"),
    ("pairs: gold", "pairs: nowhere", "not a folder that `preceptor import` wrote"),
    ("pairs: gold", "", "give either `prompts.train`"),
    ("file: gold", "file: nowhere", "there is no such file"),
    ("samples: 2", "judge: nobody", "`behaviour.judge` is `nobody`"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_mistakes_are_named(finished: Path, old: str, new: str, message: str) -> None:
    text = (finished / "run.yaml").read_text()
    assert old in text
    (finished / "bad.yaml").write_text(text.replace(old, new))
    with pytest.raises(PreceptorError) as caught:
        run_pipeline(None, finished / "bad.yaml", {}, [], finished / "runs", dry_run=True)
    assert message in str(caught.value)


def test_heldout_prompts_may_not_be_imported_ones(finished: Path) -> None:
    (finished / "same.jsonl").write_text('{"id": "x", "prompt": "what is 3"}\n')
    (finished / "bad.yaml").write_text((finished / "run.yaml").read_text().replace("heldout.jsonl", "same.jsonl"))
    said = (
        r"same.jsonl:1:23: held-out `x` is also training prompt .*behaviour must be measured on prompts that were not "
    )
    with pytest.raises(ConfigError, match=said):
        run_pipeline(("generate",), finished / "bad.yaml", {}, [], finished / "runs", dry_run=True)


def test_an_export_needs_labels(finished: Path) -> None:
    done = preceptor("export", "run.yaml", "--name", "none", "--out", "y.json", cwd=finished)
    assert done.returncode == 2
    assert "which `generate` makes, but there is no runs/none/10-prompts.jsonl" in done.stderr
    assert ": run `preceptor run run.yaml --name none` first" in done.stderr
    with pytest.raises(DataError, match="expected one of annotated-pairs"):
        export_command(finished / "run.yaml", finished / "y.json", "xml")
    assert not (finished / "y.json").exists()


def test_the_example_imports_and_its_run_file_holds(tmp_path: Path) -> None:
    people = tmp_path / "people"
    shutil.copytree(Path(__file__).resolve().parent.parent / "examples" / "people", people)
    shutil.rmtree(people / "gold", ignore_errors=True)
    import_into(people / "gold", "trl", people / "preferences.jsonl")
    run_pipeline(None, people / "run.yaml", {}, [], tmp_path / "runs", dry_run=True)
    run_pipeline(("generate",), people / "run.yaml", {}, [], tmp_path / "runs", dry_run=False)
    run_pipeline(("judge",), people / "run.yaml", {}, [], tmp_path / "runs", dry_run=False)
    run_pipeline(("label",), people / "run.yaml", {}, [], tmp_path / "runs", dry_run=False)
    labels = read_records(tmp_path / "runs" / "people" / "40-labels.jsonl", Label)
    assert len(labels) == 12
    assert all(len(label.shares) == 2 for label in labels)
