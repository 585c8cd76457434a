"""The judge by model on the real vLLM engine: the same interface, the same records, the constraint enforced by vLLM."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from constitution.store import Store
from generate.engine import Engine
from judge.ask import judge_pairs
from judge.records import Vote
from judge.verdict import Verdict
from tests.test_llm_judge import CONSTITUTION, PAIRS, judge_on, votes_of

pytestmark = pytest.mark.vllm


def test_direct_votes(vllm_engine: Engine, tmp_path: Path) -> None:
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        votes = votes_of(judge_on(vllm_engine), store)
        assert judge_pairs(PAIRS, CONSTITUTION, judge_on(vllm_engine), store).asked == 0
    assert len(votes) == 8
    for vote in votes:
        assert (vote.state, vote.tokens_out) == ("valid", 0)
        assert vote.logit is not None
        assert math.isfinite(vote.logit)
        assert 0 <= vote.missing_mass < 1


def test_reasoned_votes(vllm_engine: Engine, tmp_path: Path) -> None:
    judge = judge_on(vllm_engine, readout="reasoned")
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        votes = votes_of(judge, store)
    assert [vote.state for vote in votes] == ["valid"] * 8
    for vote in votes:
        assert vote.raw is not None
        verdict = Verdict.model_validate_json(vote.raw)
        assert vote.logit == pytest.approx(math.log(4) * (1 if verdict.verdict == "A" else -1), abs=1e-12)


def test_two_step_votes_of_several_drawn_rationales(vllm_engine: Engine, tmp_path: Path) -> None:
    judge = judge_on(
        vllm_engine, readout="two_step", rationales=2, temperature=0.8, rationale_chars=60, clamp=[0.4, 0.6]
    )
    with Store(tmp_path / "votes.sqlite", Vote) as store:
        votes = votes_of(judge, store)
    assert [vote.state for vote in votes] == ["valid"] * 16
    assert all(vote.logit is not None and abs(vote.logit) <= math.log(1.5) + 1e-9 for vote in votes)
    assert len({vote.rationale for vote in votes}) > 4
