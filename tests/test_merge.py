"""Runs on parts of the prompts, done apart, become one run that asks and samples nothing again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from constitution.store import Store
from generate.engine import ModelRef
from generate.sampling import SampleSet
from judge.records import Vote
from tests.runs import preceptor, write_run


def part(folder: Path, number: int, parts: int) -> None:
    lines = (folder / "train.jsonl").read_text().splitlines()
    (folder / f"train-{number}.jsonl").write_text("\n".join(lines[number::parts]) + "\n")


def flags(number: int) -> list[str]:
    return ["--name", f"part-{number}", "--set", f"prompts.train=train-{number}.jsonl"]


def stored(run: Path) -> tuple[Mapping[str, SampleSet], Mapping[str, Vote]]:
    with Store(run / "20-samples.sqlite", SampleSet) as samples, Store(run / "30-votes.sqlite", Vote) as votes:
        return samples.everything(), votes.everything()


@pytest.fixture(scope="module")
def merged(tiny_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts, each generated and judged alone, the first taken over twice."""
    folder = tmp_path_factory.mktemp("merged")
    write_run(folder, tiny_model.path)
    for number in range(2):
        part(folder, number, 2)
        for stage in ("generate", "judge"):
            done = preceptor(stage, "run.yaml", *flags(number), cwd=folder)
            assert done.returncode == 0, done.stderr
    parts = [f"runs/part-{number}" for number in (0, 1, 0)]
    done = preceptor("merge", "run.yaml", *parts, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "said.txt").write_text(done.stdout)
    return folder


def test_the_whole_has_what_the_parts_have(merged: Path) -> None:
    samples, votes = stored(merged / "runs" / "tiny")
    found = [stored(merged / "runs" / f"part-{number}") for number in range(2)]
    assert samples == dict(sorted({**found[0][0], **found[1][0]}.items()))
    assert votes == dict(sorted({**found[0][1], **found[1][1]}.items()))
    said = (merged / "said.txt").read_text().splitlines()
    assert said[0] == f"part-0: {len(found[0][0])} prompts' answers, {len(found[0][0])} of them new here"
    assert said[3] == f"part-1: {len(found[1][1])} votes, {len(found[1][1])} of them new here"
    assert said[-1] == f"part-0: {len(found[0][1])} votes, 0 of them new here"


def test_the_whole_run_samples_and_asks_nothing(merged: Path) -> None:
    done = [preceptor(stage, "run.yaml", cwd=merged) for stage in ("generate", "judge", "label")]
    assert [one.returncode for one in done] == [0, 0, 0]
    assert "0 prompts to sample" in done[0].stdout
    assert ", 0 to ask" in done[1].stdout
    account = json.loads((merged / "runs" / "tiny" / "30-votes.json").read_text())
    assert (account["count"]["asked"], account["states"]["failed"]) == (0, 0)


def test_a_vote_that_failed_here_is_replaced_and_a_result_is_not(merged: Path) -> None:
    here, there = merged / "runs" / "tiny" / "30-votes.sqlite", merged / "runs" / "part-0" / "30-votes.sqlite"
    with Store(here, Vote) as store, Store(there, Vote) as other:
        lost, kept, *_ = (vote for vote in other.everything().values() if vote.logit)
        failed = Vote(request=lost.request, state="failed", reason="timeout")
        assert not failed.settled
        mine = kept.model_copy(update={"logit": 0.25})
        store.put({lost.key: failed, mine.key: mine})
    done = preceptor("merge", "run.yaml", "runs/part-0", cwd=merged)
    assert (done.returncode, "votes, 1 of them new here" in done.stdout) == (0, True), done.stderr
    with Store(here, Vote) as store:
        assert store.get([lost.key, kept.key]) == {lost.key: lost, kept.key: mine}


@pytest.mark.parametrize("where", ["runs/nowhere", "runs", "run.yaml"])
def test_what_is_no_run_folder_is_refused_and_nothing_made(merged: Path, where: str) -> None:
    done = preceptor("merge", "run.yaml", where, "--name", "new", cwd=merged)
    assert done.returncode == 2
    assert f"{where}: not a run folder to take from" in done.stderr
    assert not (merged / "runs" / "new").exists()
