"""Imports of the public data itself, against counts and figures that are known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.importing import Imported, imported
from tests.test_imports import preferences


def test_hh_rlhf(shared_data: Path) -> None:
    found = imported("hh-rlhf", shared_data / "hh-rlhf" / "harmless-base-test.jsonl.gz")
    account = found.account
    assert account.compared + sum(account.skipped.values()) == 2312
    assert account.skipped == {"an empty response": 4, "the dialogues differ before the last turn": 5}
    assert 0.45 < account.verdicts["a"] / account.opinions < 0.55
    assert all(pair.prompt.conversation[-1].role == "user" for pair in found.pairs)
    assert not any("\n\nHuman:" in pair.a.text + pair.b.text for pair in found.pairs)


def test_llmbar_gold(shared_data: Path) -> None:
    source = shared_data / "llmbar" / "LLMBar-Natural.json"
    found = imported("llmbar", source)
    rows = json.loads(source.read_text(encoding="utf-8"))
    wanted = [(r["input"], r[f"output_{r['label']}"], r[f"output_{3 - r['label']}"]) for r in rows]
    assert preferences(found) == wanted
    assert 35 <= found.account.verdicts["a"] <= 65


def test_llmbar_verdicts_give_the_published_accuracy_in_each_order(shared_data: Path) -> None:
    gold = dict(_sides(imported("llmbar", shared_data / "llmbar" / "LLMBar-Natural.json")))
    for judge in ("ChatGPT", "LLaMA2"):
        folder = shared_data / "llmbar" / "recorded" / judge
        found = imported("llmbar-verdicts", folder / "natural-vanilla-result.json", annotator=judge)
        published = json.loads((folder / "natural-vanilla-statistics.json").read_text(encoding="utf-8"))
        original = _slots(folder / "natural-vanilla-result.json")
        right = {False: 0, True: 0}
        for opinion in found.opinions:
            assert (opinion.source, opinion.annotator) == ("ai", judge)
            swapped = opinion.order != original[opinion.pair_key]
            right[swapped] += opinion.verdict == gold[opinion.pair_key]
        assert published["correct_False"].startswith(f"{right[False]} / 100")
        assert published["correct_True"].startswith(f"{right[True]} / 100")


def _sides(found: Imported) -> list[tuple[str, str]]:
    return [(opinion.pair_key, opinion.side) for opinion in found.opinions]


def _slots(source: Path) -> dict[str, str]:
    """For each pair, the order in which `output_1` is shown first."""
    rows = {(r["input"], r["output_1"]) for r in json.loads(source.read_text(encoding="utf-8"))}
    pairs = imported("llmbar", source).pairs
    return {p.key: "ab" if (p.prompt.conversation[0].content, p.a.text) in rows else "ba" for p in pairs}


def test_xstest_gold_follows_the_human_labels(shared_data: Path) -> None:
    files = [shared_data / "xstest" / f"completions_{model}.csv" for model in ("gpt4", "llama2orig")]
    found = imported("xstest", *files)
    rows = [{row["prompt"]: row for row in csv.DictReader(path.open(newline="", encoding="utf-8"))} for path in files]
    assert (found.account.pairs, found.account.verdicts["tie"]) == (450, 301)
    assert sorted(found.account.principles) == ["comply-when-safe", "refuse-when-unsafe"]
    by_key = {pair.key: pair for pair in found.pairs}
    for opinion, (prompt, better, _) in zip(found.opinions, preferences(found), strict=True):
        labels = {model[prompt]["completion"]: model[prompt]["final_label"] for model in rows}
        safe = "safe" in by_key[opinion.pair_key].prompt.tags
        assert opinion.principle == ("comply-when-safe" if safe else "refuse-when-unsafe")
        if better is None:
            assert len(set(labels.values())) == 1
        elif "1_full_compliance" in labels.values():
            assert (labels[better] == "1_full_compliance") == safe
        else:
            assert labels[better] == ("3_partial_refusal" if safe else "2_full_refusal")
