"""A run as a data set: what `datasets` loads, there and back to the same labels, the card, and the hub."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard

from benchmarks.labelling import write_run
from constitution.files import read_records
from constitution.load import load_constitution
from generate.engine import ModelRef
from generate.records import Pair
from judge.imports.folder import read_account
from judge.records import Label
from pipeline.run import run_pipeline
from tests import runs
from tests.hub_server import hub
from tests.runs import command, environment, preceptor
from tests.test_run import edit
from train.schedule import heldout_prompts

PAIRS = 24
KEY = "hf_canary0123456789"
BACK = """\
name: back
constitution: constitution.yaml
prompts: {heldout: heldout.jsonl}
pairs: back
model: bundled:smollm2-135m-instruct
judges: {told: {kind: recorded, file: back}}
judge: told
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight principles, one of them `against`, one in no prompt's scope."""
    folder = tmp_path_factory.mktemp("exported")
    write_run(folder, PAIRS)
    edit(folder / "constitution.yaml", "{id: p6,", "{id: p6, polarity: against,")
    edit(folder / "constitution.yaml", "{id: p1,", "{id: p1, scope: [nowhere],")
    run_pipeline(("judge", "label"), folder / "run.yaml", {}, [], folder / "runs")
    result = preceptor("export", "run.yaml", "--format", "datasets", "--out", "out", "--license", "mit", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder


def loaded(folder: Path, configuration: str | None = None, split: str = "train") -> Any:
    from datasets import load_dataset

    cache = str(folder.parent / "cache")
    return load_dataset(str(folder), configuration, split=split, cache_dir=cache)


def run_of(folder: Path, name: str = "bench") -> list[tuple[Pair, Label]]:
    run = folder / "runs" / name
    pairs, labels = read_records(run / "20-pairs.jsonl", Pair), read_records(run / "40-labels.jsonl", Label)
    return list(zip(pairs, labels, strict=True))


def by_texts(labelled: list[tuple[Pair, Label]]) -> dict[tuple[str, str], tuple[Label, bool]]:
    """By prompt and the texts in their order, and whether a and b were exchanged for it."""
    found = {}
    for pair, label in labelled:
        turned = pair.a.text > pair.b.text
        found[pair.prompt.key, min(pair.a.text, pair.b.text)] = (label, turned)
    assert len(found) == len(labelled)
    return found


def test_there_and_back_gives_the_same_labels(labelled: Path) -> None:
    result = preceptor("import", "datasets", "out", "--out", "back", cwd=labelled)
    assert result.returncode == 0, result.stderr
    (labelled / "back.yaml").write_text(BACK, encoding="utf-8")
    run_pipeline(("generate", "judge", "label"), labelled / "back.yaml", {}, [], labelled / "runs")
    before, after = by_texts(run_of(labelled)), by_texts(run_of(labelled, "back"))
    assert set(before) == set(after)
    assert any(turned for _, turned in before.values()) != all(turned for _, turned in before.values())
    for place, (label, turned) in before.items():
        again, again_turned = after[place]
        exchanged = turned != again_turned
        assert again.reason == label.reason
        assert (again.p is None) == (label.p is None)
        if label.p is not None and again.p is not None:
            assert (1 - again.p if exchanged else again.p) == pytest.approx(label.p, abs=1e-12)
        shares = {s.principle: 1 - s.p if exchanged else s.p for s in again.shares}
        assert shares == {s.principle: pytest.approx(s.p, abs=1e-12) for s in label.shares}
    account = read_account(labelled / "back")
    assert account.principles == {p.id: p.text for p in load_constitution(labelled / "constitution.yaml").principles}


def test_every_configuration_holds_the_run(labelled: Path) -> None:
    rows, out = run_of(labelled), labelled / "out"
    labels = loaded(out, "labels")
    assert [row["pair_key"] for row in labels] == [pair.key for pair, _ in rows]
    assert [row["p"] for row in labels] == [label.p for _, label in rows]
    assert [{s["principle"]: s["p"] for s in row["shares"]} for row in labels] == [
        {share.principle: share.p for share in label.shares} for _, label in rows
    ]
    votes = loaded(out, "votes")
    assert len(votes) == PAIRS * 7  # p1 is in no prompt's scope
    assert set(votes["state"]) == {"valid"}
    assert {row["id"]: row["polarity"] for row in loaded(out, "principles")}["p6"] == "against"
    train, test = loaded(out), loaded(out, split="test")
    assert len(train) + len(test) == sum(label.p is not None for _, label in rows)
    assert min(train["p"]) >= 0.5
    ids = {pair.prompt.id for pair, label in rows if label.p is not None}
    assert set(test["prompt_id"]) == heldout_prompts(ids, 0.1) == ids - set(train["prompt_id"])


def test_the_card_says_what_is_in_it(labelled: Path) -> None:
    card = DatasetCard.load(labelled / "out" / "README.md")
    head = card.data.to_dict()
    assert head["license"] == "mit"
    assert [one["config_name"] for one in head["configs"]] == ["preferences", "labels", "votes", "principles"]
    assert [one.get("default", False) for one in head["configs"]] == [True, False, False, False]
    constitution = load_constitution(labelled / "constitution.yaml")
    assert constitution.key in card.text
    assert all(principle.text in card.text for principle in constitution.principles)
    assert f"| labels | train | {PAIRS} |" in card.text
    assert "smollm2-135m-instruct, revision" in card.text.replace("\\", "")


def test_trl_columns_alone_come_back_too(labelled: Path) -> None:
    result = preceptor("export", "run.yaml", "--format", "trl", "--out", "trl", cwd=labelled)
    assert result.returncode == 0, result.stderr
    assert loaded(labelled / "trl").column_names[:3] == ["prompt", "chosen", "rejected"]
    card = DatasetCard.load(labelled / "trl" / "README.md")
    assert "license" not in card.data.to_dict()
    assert "None is stated" in card.text
    result = preceptor("import", "trl", "trl", "--out", "trl-back", cwd=labelled)
    assert result.returncode == 0, result.stderr
    assert len(read_records(labelled / "trl-back" / "pairs.jsonl", Pair)) == len(loaded(labelled / "trl"))


def test_it_goes_wherever_fsspec_reaches(labelled: Path) -> None:
    for number, kind in enumerate(("datasets", "trl", "annotated-pairs")):
        there = f"file://{labelled}/far/{number}"
        words = ("export", "run.yaml", "--format", kind, "--out", there)
        result = preceptor(*words, cwd=labelled)
        assert result.returncode == 0, result.stderr
        again = preceptor(*words, cwd=labelled)
        assert (again.returncode, "is there already; give `--out` a new address" in again.stderr) == (2, True)
    here, there = labelled / "out", labelled / "far" / "0"
    names = sorted(path.relative_to(here) for path in here.rglob("*.parquet"))
    assert sorted(path.relative_to(there) for path in there.rglob("*.parquet")) == names
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in names)
    assert len(json.loads((labelled / "far" / "2").read_text())["comparisons"]) == PAIRS
    result = preceptor("import", "annotated-pairs", f"file://{labelled}/far/2", "--out", "far-back", cwd=labelled)
    assert result.returncode == 0, result.stderr


MISTAKES = [
    (("--format", "trl", "--out", "s3://me:key@bucket/x"), "--out: must not hold a user, a password or a query"),
    (("--format", "trl", "--out", "nonsense://x"), "nonsense://x: cannot be reached"),
    (("--format", "parquet", "--out", "x"), "expected one of annotated-pairs, trl, datasets, model"),
    (("--format", "trl", "--out", "hub:org/data"), "set the environment variable HF_TOKEN"),
    (("--format", "annotated-pairs", "--out", "hub:org/data"), "annotated pairs are one file"),
    (("--format", "trl", "--out", "runs"), "holds other files"),
    (
        ("--format", "trl", "--out", "y", "--set", "judges.rules={kind: rules, confidence: 2}"),
        "give the flags that the run was made with",
    ),
    (("--format", "model", "--out", "z"), ": run `preceptor run run.yaml` first"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_mistakes_are_one_sentence(labelled: Path, words: tuple[str, ...], message: str) -> None:
    result = preceptor("export", "run.yaml", *words, cwd=labelled)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def pushed(folder: Path, url: str, key: str, kind: str = "datasets") -> subprocess.CompletedProcess[str]:
    """Through huggingface_hub's own client, in a process of its own that knows this hub alone."""
    words = command("export", "run.yaml", "--format", kind, "--out", "hub:org/data")
    known = {
        **environment(),
        "HF_ENDPOINT": url,
        "HF_TOKEN": key,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",  # Xet's storage is no open protocol; LFS is what every hub takes
    }
    return subprocess.run(words, cwd=folder, env=known, capture_output=True, text=True, timeout=120, check=False)


def test_it_goes_to_a_hub_in_one_private_commit(labelled: Path) -> None:
    with hub(KEY) as server:
        result = pushed(labelled, server.url, KEY)
    assert result.returncode == 0, result.stderr
    assert [(one["name"], one["organization"], one["type"], one["visibility"]) for one in server.made] == [
        ("data", "org", "dataset", "private")
    ]
    out = labelled / "out"
    shards = {f"{name}/train-00000.parquet" for name in ("preferences", "labels", "votes", "principles")}
    assert set(server.files) == {"README.md", "preferences/test-00000.parquet", *shards}
    assert server.files["labels/train-00000.parquet"] == (out / "labels" / "train-00000.parquet").read_bytes()
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in result.stdout + result.stderr
    assert f"{server.url}/org/data/commit/" in result.stdout


def test_a_trained_model_goes_to_a_hub_with_its_card(tiny_model: ModelRef, tmp_path: Path) -> None:
    runs.write_run(tmp_path, tiny_model.path)
    for stage in ("generate", "judge", "label", "train"):
        done = preceptor(stage, "run.yaml", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    with hub(KEY) as server:
        result = pushed(tmp_path, server.url, KEY, "model")
    assert result.returncode == 0, result.stderr
    assert [(one["name"], one.get("type", "model"), one["visibility"]) for one in server.made] == [
        ("data", "model", "private")
    ]
    policy = tmp_path / "runs" / "tiny" / "50-policy"
    names = {str(path.relative_to(policy)) for path in policy.rglob("*") if path.is_file()}
    assert set(server.files) == names - {"training.json"}
    changed = {name for name, content in server.files.items() if content != (policy / name).read_bytes()}
    assert changed <= {"adapter/adapter_config.json"}
    here = str(tmp_path.parent).encode()
    assert [name for name, content in server.files.items() if here in content] == [], "folders of this machine"
    adapter = json.loads(server.files["adapter/adapter_config.json"])
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == (Path(tiny_model.path).name, None)
    assert server.large, "the weights go by LFS"
    assert ModelCard(server.files["README.md"].decode()).data.to_dict()["tags"][0] == "preceptor"
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in result.stdout + result.stderr


def test_a_hub_that_refuses_says_why_and_the_key_stays_out_of_it(labelled: Path) -> None:
    with hub("another") as server:
        result = pushed(labelled, server.url, KEY)
    assert result.returncode == 2
    assert "the hub did not take it" in result.stderr
    assert "401" in result.stderr
    assert KEY not in result.stdout + result.stderr
    assert server.files == {}
