"""Votes are asked once: after a kill, after an edit, after a re-weighting; and all of them from another judge."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from constitution.errors import ModelError
from constitution.model import Constitution, Principle
from constitution.progress import Tick
from constitution.store import Store
from judge.ask import collect_votes, judge_pairs, plan_votes
from judge.interface import Ask, Judge, Showing, Stopped
from judge.records import Vote
from tests.conftest import REPOSITORY
from tests.judge_child import BATCH_PAIRS, PAIRS, Watched
from tests.judging import PRINCIPLES, a_constitution, a_pair, llm_judge, rules_judge, some_pairs

FOR_ALL, FOR_LONG = 3, 1
"""Principles in scope of every prompt, and those for one prompt in three only."""
WANTED = PAIRS * FOR_ALL + PAIRS // 3 * FOR_LONG


def watched(constitution: Constitution, confidence: float = 4.0) -> Watched:
    return Watched(rules_judge(constitution, confidence), BATCH_PAIRS)


def edited(principle_id: str, **fields: object) -> Constitution:
    return a_constitution([p.model_copy(update=fields) if p.id == principle_id else p for p in PRINCIPLES])


def all_votes(store_file: Path, constitution: Constitution, judge: Judge) -> dict[str, dict[str, tuple[Vote, ...]]]:
    with Store(store_file, Vote) as opened:
        return collect_votes(some_pairs(PAIRS), constitution, judge, opened)


@pytest.mark.parametrize("when", ["asking", "committed"])
def test_kill_9_loses_at_most_the_batch_in_hand(tmp_path: Path, when: str) -> None:
    killed, undisturbed, batches = tmp_path / "killed.sqlite", tmp_path / "undisturbed.sqlite", 4
    child = [sys.executable, "-m", "tests.judge_child", str(killed), str(batches), when]
    assert subprocess.run(child, cwd=REPOSITORY, check=False, timeout=120).returncode == -signal.SIGKILL

    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    with Store(killed, Vote) as opened:
        committed = len(opened)
        plan = plan_votes(pairs, constitution, rules_judge(constitution), opened)
        judge = watched(constitution)
        count = judge_pairs(pairs, constitution, judge, opened)
    done_pairs = BATCH_PAIRS * (batches if when == "committed" else batches - 1)
    assert committed == sum(FOR_ALL + FOR_LONG * ("long" in pair.prompt.tags) for pair in pairs[:done_pairs])
    assert (count.asked, count.stored, plan.to_ask) == (WANTED - committed, committed, WANTED - committed)
    assert not {ask.pair.key for ask in judge.asked} & {pair.key for pair in pairs[:done_pairs]}

    with Store(undisturbed, Vote) as opened:
        judge_pairs(pairs, constitution, rules_judge(constitution), opened)
    real = rules_judge(constitution)
    assert all_votes(killed, constitution, real) == all_votes(undisturbed, constitution, real)


def test_asked_again_nothing_is_asked(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    first = judge_pairs(pairs, constitution, watched(constitution), store)
    assert (first.asked, first.stored, first.states) == (WANTED, 0, {"valid": WANTED})
    again = watched(constitution)
    second = judge_pairs(pairs, constitution, again, store)
    assert (second.asked, second.stored, second.states, again.asked) == (0, WANTED, {"valid": WANTED}, [])


def test_an_edited_principle_alone_is_asked_again(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    judge_pairs(pairs, constitution, watched(constitution), store)
    changed = edited("no-lists", text="The answer contains no list whatever.")
    plan = {row.principle: row.to_ask for row in plan_votes(pairs, changed, rules_judge(changed), store).principles}
    assert plan == {"brief": 0, "no-lists": PAIRS, "no-filler": 0, "no-loops": 0}
    judge = watched(changed)
    assert judge_pairs(pairs, changed, judge, store).asked == PAIRS
    assert {ask.principle.id for ask in judge.asked} == {"no-lists"}
    assert judge_pairs(pairs, constitution, watched(constitution), store).asked == 0  # the old votes are still there


@pytest.mark.parametrize("fields", [{"weight": 9.0}, {"axis": "style"}, {"id": "renamed"}])
def test_what_no_judge_sees_costs_no_vote(store: Store[Vote], fields: dict[str, object]) -> None:
    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    judge_pairs(pairs, constitution, watched(constitution), store)
    changed = edited("brief", **fields)
    assert plan_votes(pairs, changed, rules_judge(changed), store).to_ask == 0
    assert judge_pairs(pairs, changed, watched(changed), store).asked == 0


def test_another_judge_is_asked_everything(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    judge_pairs(pairs, constitution, watched(constitution), store)
    assert judge_pairs(pairs, constitution, watched(constitution, confidence=3.0), store).asked == WANTED
    other = llm_judge(constitution)
    assert plan_votes(pairs, constitution, other, store).to_ask == 2 * WANTED  # both orders
    assert all(
        not group for groups in collect_votes(pairs, constitution, other, store).values() for group in groups.values()
    )


def test_planning_asks_and_stores_nothing(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(), some_pairs(PAIRS)
    plan = plan_votes(pairs, constitution, watched(constitution), store)
    assert [(row.principle, row.wanted, row.stored, row.to_ask) for row in plan.principles] == [
        ("brief", PAIRS, 0, PAIRS),
        ("no-lists", PAIRS, 0, PAIRS),
        ("no-filler", PAIRS, 0, PAIRS),
        ("no-loops", PAIRS // 3, 0, PAIRS // 3),
    ]
    assert len(store) == 0


def test_a_question_is_asked_once_however_often_it_comes(store: Store[Vote]) -> None:
    twin = PRINCIPLES[1].model_copy(update={"id": "twin"})
    constitution, pairs = a_constitution([PRINCIPLES[1], twin]), some_pairs(3) * 2
    judge = watched(constitution)
    assert judge_pairs(pairs, constitution, judge, store).asked == 3
    votes = collect_votes(pairs, constitution, judge, store)
    assert all(groups["no-lists"] == groups["twin"] != () for groups in votes.values())


def test_questions_that_share_a_prefix_are_neighbours(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(PRINCIPLES[:3]), some_pairs(4)
    judge = watched(constitution)
    judge.showings = lambda principle: (Showing("ab"), Showing("ba"))  # type: ignore[method-assign]
    judge_pairs(pairs, constitution, judge, store)
    groups = [(ask.pair.key, ask.request.order) for ask in judge.asked]
    assert groups == [(pair.key, order) for pair in pairs for order in ("ab", "ba") for _ in range(3)]


def test_progress_counts_votes_to_the_end(store: Store[Vote]) -> None:
    constitution, pairs, ticks = a_constitution(), some_pairs(PAIRS), list[Tick]()
    judge_pairs(pairs, constitution, watched(constitution), store, ticks.append)
    assert [tick.total for tick in ticks] == [WANTED] * (PAIRS // BATCH_PAIRS)
    assert ticks[-1].done == WANTED
    assert [tick.done for tick in ticks] == sorted({tick.done for tick in ticks})


class Moody(Watched):
    """Fails, or abstains, on chosen principles; answers the others for real."""

    def __init__(self, judge: Judge, states: dict[str, str], reason: str) -> None:
        super().__init__(judge, BATCH_PAIRS)
        self.states, self.reason = states, reason

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """The real votes, but for those."""
        found = super().vote(asks)
        for i, ask in enumerate(asks):
            if state := self.states.get(ask.principle.id):
                fields = {"request": ask.request.model_dump(), "state": state, "reason": self.reason}
                found[i] = Vote.model_validate(fields)
        return found


def test_votes_lost_on_the_way_are_stored_and_asked_again_abstentions_are_not(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(PRINCIPLES[:3]), some_pairs(PAIRS)
    moody = Moody(rules_judge(constitution), {"brief": "failed", "no-lists": "abstain"}, "timeout")
    count = judge_pairs(pairs, constitution, moody, store)
    assert count.states == {"failed": PAIRS, "abstain": PAIRS, "valid": PAIRS}
    assert (count.reasons, count.to_ask_again) == ({"timeout": 2 * PAIRS}, PAIRS)
    row = plan_votes(pairs, constitution, moody, store).principles[0]
    assert (row.stored, row.to_ask, row.failed_before) == (0, PAIRS, PAIRS)
    judge = watched(constitution)
    assert judge_pairs(pairs, constitution, judge, store).states == {"abstain": PAIRS, "valid": 2 * PAIRS}
    assert Counter(ask.principle.id for ask in judge.asked) == {"brief": PAIRS}


def test_an_answer_that_was_no_verdict_is_asked_again_only_on_demand(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(PRINCIPLES[:3]), some_pairs(PAIRS)
    moody = Moody(rules_judge(constitution), {"brief": "failed", "no-lists": "abstain"}, "prose")
    assert judge_pairs(pairs, constitution, moody, store).to_ask_again == 0
    assert plan_votes(pairs, constitution, moody, store).to_ask == 0
    assert judge_pairs(pairs, constitution, watched(constitution), store).asked == 0
    assert plan_votes(pairs, constitution, moody, store, retry_failed=True).to_ask == PAIRS
    judge = watched(constitution)
    count = judge_pairs(pairs, constitution, judge, store, retry_failed=True)
    assert count.states == {"abstain": PAIRS, "valid": 2 * PAIRS}
    assert Counter(ask.principle.id for ask in judge.asked) == {"brief": PAIRS}


class Dying(Watched):
    """Answers half of its third batch and then cannot go on."""

    def vote(self, asks: Sequence[Ask]) -> list[Vote]:
        """The real votes, until then."""
        votes = super().vote(asks)
        if self.batches == 3:
            raise Stopped(votes[: len(votes) // 2], ModelError("the server is gone"))
        return votes


def test_a_judge_that_cannot_go_on_loses_no_vote_that_it_gave(store: Store[Vote]) -> None:
    constitution, pairs = a_constitution(PRINCIPLES[:3]), some_pairs(PAIRS)
    with pytest.raises(ModelError, match="the server is gone"):
        judge_pairs(pairs, constitution, Dying(rules_judge(constitution), BATCH_PAIRS), store)
    given = len(store)
    assert given == BATCH_PAIRS * FOR_ALL * 2 + BATCH_PAIRS * FOR_ALL // 2
    count = judge_pairs(pairs, constitution, watched(constitution), store)
    assert (count.asked, count.stored, count.states) == (PAIRS * FOR_ALL - given, given, {"valid": PAIRS * FOR_ALL})


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "from tests.judging import *; c = a_constitution(); p = a_pair('one', 'two');"
        "print(llm_judge(c).request(p, PRINCIPLES[0], Showing('ab')).model_dump_json())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": "", "LC_ALL": "C"},
        ).stdout
        for seed in ("1", "2")
    ]
    here: Principle = PRINCIPLES[0]
    assert runs[0] == runs[1]
    assert (
        json.loads(runs[0])
        == llm_judge(a_constitution()).request(a_pair("one", "two"), here, Showing("ab")).model_dump()
    )
