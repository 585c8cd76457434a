"""Stage `judge`: pairs -> votes. Writes 30-votes.sqlite (the store) and 30-votes.json (the account of it)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from pydantic import BaseModel

from constitution.files import write_json
from constitution.identity import digest, file_digest
from constitution.read_json import read_record
from constitution.store import Store
from generate.records import Pair
from judge.ask import VotePlan, judge_pairs, plan_votes
from judge.judges import Judge
from judge.records import Vote
from judge.tally import JudgeCount
from pipeline.changes import changed_words
from pipeline.context import VOTES_STORE, Run
from pipeline.executors import answerer
from pipeline.forecast import foretold, say_forecast
from pipeline.paces import keep_paces
from pipeline.stage import Stage
from pipeline.used import settings_of, voters


def judge_inputs(run: Run, judge: Judge) -> dict[str, str]:
    """What decides which votes are needed: the judge, every principle's meaning, every principle's scope."""
    principles = {f"principle `{p.id}`": p.key for p in run.constitution.principles}
    scopes = digest("scopes", scopes=sorted([p.id, sorted(p.scope)] for p in run.constitution.principles))
    return {"judge": judge.digest, **principles, "scopes": scopes}


def _inputs(run: Run) -> dict[str, str]:
    return {"pairs": file_digest(run.folder.pairs), **judge_inputs(run, run.judge(run.config.judge))}


def say_plan(
    run: Run, pairs: Iterable[Pair], judge: Judge, store: Store[Vote], foretold: Collection[str] = ()
) -> VotePlan:
    """Say, per principle, how many votes are to be asked; not of those that are `foretold` with what they take."""
    plan = plan_votes(pairs, run.constitution, judge, store, run.retry_failed)
    run.console.say(
        f"  judge `{judge.name}`: {plan.wanted} votes wanted, {plan.wanted - plan.to_ask} stored, {plan.to_ask} to ask"
    )
    if 0 < plan.to_ask < plan.wanted:
        for row in plan.principles:
            if row.to_ask and (row.principle not in foretold or row.failed_before):
                again = f", {row.failed_before} of them because they failed before" if row.failed_before else ""
                run.console.say(f"    {row.principle}: {row.to_ask} of {row.wanted} to ask{again}")
    return plan


def ask_votes(run: Run, pairs: Iterable[Pair], judge: Judge, store: Store[Vote]) -> JudgeCount:
    """Say the plan, then ask what it says."""
    plan = say_plan(run, pairs, judge, store)
    count = judge_pairs(
        pairs, run.constitution, judge, store, run.console.tick, plan.wanted, run.retry_failed, answerer(run)
    )
    keep_paces(run, count.paces)
    return count


def _execute(run: Run) -> list[str]:
    judge = run.judge(run.config.judge)
    with run.vote_store() as store:
        count = ask_votes(run, run.pairs(), judge, store)
    states = {state: count.states.get(state, 0) for state in ("valid", "abstain", "failed")}
    write_json(
        run.folder.vote_counts,
        {"judge": run.config.judge, "digest": count.digest, "states": states, "count": count.model_dump()},
    )
    return [
        f"judge `{run.config.judge}`: {count.asked} votes asked, {count.stored} from the store; "
        f"{states['valid']} valid, {states['abstain']} abstained, {states['failed']} failed"
    ]


def _preview(run: Run) -> list[str]:
    if not run.folder.pairs.exists():
        return [f"judge `{run.config.judge}` on the pairs, once they exist"]
    judge = run.judge(run.config.judge)
    with run.vote_store() as store:
        if say_plan(run, run.pairs(), judge, store, foretold(run, judge)).to_ask:
            say_forecast(run, judge, run.pairs(), store, "judge")
        else:
            run.foreseen["judge"] = 0.0
    return [f"because of: {reason}" for reason in _reasons(run)]


def _reasons(run: Run) -> list[str]:
    stamp = run.folder.stamp("judge")
    return changed_words(run, stamp, _inputs(run)) if stamp else ["not judged yet"]


class _Count(BaseModel, extra="allow"):
    """What every version wrote of a JudgeCount."""

    asked: int
    to_ask_again: int


class _Account(BaseModel):
    """What every version wrote into 30-votes.json."""

    digest: str
    states: dict[str, int]
    count: _Count


def read_account(run: Run) -> dict[str, Any]:
    """30-votes.json: what the stage left beside the store."""
    return read_record(run.folder.vote_counts, _Account).model_dump()


def _unfinished(run: Run) -> str | None:
    account = read_account(run)
    if replaced := votes_replaced(run, "judge"):
        return replaced
    again = account["states"]["failed"] if run.retry_failed else account["count"]["to_ask_again"]
    return f"{again} failed votes are asked again" if again else None


def votes_replaced(run: Run, stage: str) -> str | None:
    """Why a stage that filled the store of votes is done again; None if the store is the one that it filled."""
    with run.vote_store() as store:
        same = run.same_votes(store, stage)
    return None if same else f"{run.folder.votes.name} is another store than it was, and votes may be missing"


def votes_mark(run: Run) -> dict[str, str]:
    """What such a stage leaves in its stamp."""
    with run.vote_store() as store:
        return {VOTES_STORE: store.identity}


JUDGE = Stage(
    name="judge",
    needs=("generate",),
    inputs=_inputs,
    uses=lambda config: settings_of(config, "judge", "sources", "votes", "executor", judges=voters(config)),
    outputs=lambda folder: [folder.votes, folder.vote_counts],
    execute=_execute,
    preview=_preview,
    unfinished=_unfinished,
    marks=votes_mark,
)
