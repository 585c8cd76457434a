"""Several judges as one: every principle to its own source, votes shared with runs of one judge."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from constitution.errors import ConfigError
from constitution.load import read_constitution
from constitution.model import Constitution
from constitution.store import Store
from generate.engine import ModelRef
from judge.ask import collect_votes, judge_pairs, plan_votes
from judge.interface import Judge
from judge.labels import label_pair, weighted_mean
from judge.panel import Panel, turns
from judge.records import Vote
from pipeline.console import Console
from pipeline.context import Run
from pipeline.folder import RunFolder
from pipeline.load import load_run
from pipeline.sources import check_sources, open_panel
from tests.judging import PRINCIPLES, a_constitution, rules_judge, some_pairs
from tests.runs import write_run

SOURCED = a_constitution(
    [p.model_copy(update={"source": "crowd"}) if p.id in ("no-lists", "no-loops") else p for p in PRINCIPLES]
)
CONFIDENCES = {"rules": 4.0, "bold": 8.0, "meek": 1.0}


def opened(name: str, constitution: Constitution) -> Judge:
    return rules_judge(constitution, CONFIDENCES[name])


def panel(crowd: str, constitution: Constitution = SOURCED) -> Judge:
    return open_panel("rules", constitution, {"crowd": crowd}, opened)


def test_every_principle_goes_to_its_own_judge(tmp_path: Path) -> None:
    pairs = some_pairs(6)
    alone = {name: rules_judge(SOURCED, confidence) for name, confidence in CONFIDENCES.items()}
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        judge_pairs(pairs, SOURCED, panel("bold"), store)
        votes = collect_votes(pairs, SOURCED, panel("bold"), store)
    for pair in pairs:
        for principle in SOURCED.principles:
            if principle.applies_to(pair.prompt.tags):
                judge = alone["bold" if principle.source else "rules"]
                (vote,) = votes[pair.key][principle.id]
                assert vote.request.judge == judge.digest


def test_votes_are_shared_and_another_member_costs_only_its_principles(tmp_path: Path) -> None:
    pairs = some_pairs(9)
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        judge_pairs(pairs, SOURCED, rules_judge(SOURCED), store)  # a run of one judge
        plan = plan_votes(pairs, SOURCED, panel("bold"), store)
        assert {row.principle: row.to_ask for row in plan.principles} == {
            "brief": 0, "no-lists": 9, "no-filler": 0, "no-loops": 3,
        }  # fmt: skip
        assert judge_pairs(pairs, SOURCED, panel("bold"), store).asked == 12
        assert judge_pairs(pairs, SOURCED, panel("meek"), store).asked == 12
        assert judge_pairs(pairs, SOURCED, panel("bold"), store).asked == 0


def test_labels_say_which_panel_and_stay_the_sum_of_their_shares(tmp_path: Path) -> None:
    pairs, judge = some_pairs(6), panel("meek")
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        judge_pairs(pairs, SOURCED, judge, store)
        votes = collect_votes(pairs, SOURCED, judge, store)
    labels = [label_pair(pair, votes[pair.key], SOURCED, judge) for pair in pairs]
    assert {label.judge for label in labels} == {judge.digest}
    assert judge.digest not in (panel("bold").digest, rules_judge(SOURCED).digest)
    for label in labels:
        assert label.p == weighted_mean(label.shares)
        assert {share.principle: share.weight for share in label.shares}["brief"] == 2 / 4


def test_one_member_at_a_time_and_in_the_order_asked() -> None:
    judge = panel("bold")
    assert isinstance(judge, Panel)
    assert [[p.id for p in turn.principles] for turn in turns(judge, SOURCED)] == [
        ["brief", "no-filler"],
        ["no-lists", "no-loops"],
    ]
    assert judge.batch_pairs == rules_judge(SOURCED).batch_pairs


def test_without_a_source_there_is_no_panel() -> None:
    plain = a_constitution()
    assert open_panel("rules", plain, {"crowd": "bold"}, opened).digest == rules_judge(plain).digest
    assert turns(rules_judge(plain), plain)[0].principles == plain.principles


def test_moving_a_principle_to_another_source_is_another_panel() -> None:
    moved = a_constitution(
        [p.model_copy(update={"source": "crowd"}) if p.id == "no-filler" else p for p in SOURCED.principles]
    )
    assert panel("bold", moved).digest != panel("bold").digest
    assert moved.key != SOURCED.key


def test_a_source_that_nobody_stands_for(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "name: c\nprinciples:\n- {id: a, text: A.}\n\n"
        "- {id: b, text: B., source: crowd}\n- {id: c, text: C., source: x}\n"
    )
    with pytest.raises(ConfigError) as caught:
        check_sources(read_constitution(path), {"users": "rules"})
    first, second = caught.value.problems
    assert (first.line, first.column, second.line) == (5, 29, 6)
    assert first.message == (
        "principle `b` is voted on by `crowd`, but the run file does not say who that is (roles there: `users`): "
        "add `sources: {crowd: NAME}` to it, NAME being an entry of its `judges`, or take `source` away"
    )
    check_sources(read_constitution(path), {"crowd": "rules", "x": "rules"})


def test_two_models_take_turns_in_memory_as_often_as_they_are_asked(tiny_model: ModelRef, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_model.path, other)
    (other / "generation_config.json").write_text("{}")  # another revision
    run_file = write_run(tmp_path, tiny_model.path)
    text = run_file.read_text(encoding="utf-8").replace("judge: rules\n", "judge: reader\nsources: {crowd: second}\n")
    second = f"  second: {{kind: llm, engine: embedded, model: {other}, batch_pairs: 1}}\n"
    run_file.write_text(
        text.replace("judges:\n", f"judges:\n{second}").replace("judge: reader, pairs", "judge: second, pairs")
    )
    law = tmp_path / "constitution.yaml"
    law.write_text(
        law.read_text(encoding="utf-8").replace("  - id: few-vowels\n", "  - id: few-vowels\n    source: crowd\n")
    )
    with Console() as console, Store(tmp_path / "votes.sqlite", Vote) as store:
        run = Run(load_run(run_file, {}), tmp_path, RunFolder(tmp_path / "runs"), console)
        judge, pairs = run.judge("reader"), some_pairs(4)
        assert isinstance(judge, Panel)
        for some in (pairs[:2], pairs[2:]):
            assert set(judge_pairs(some, run.constitution, judge, store).reasons) <= {"no_label_mass"}
        run.close_engines()
