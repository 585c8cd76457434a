"""What each stage took, for the report: time and memory by its stamp, answers, votes and tokens by what it left."""

from __future__ import annotations

from collections.abc import Sequence

from generate.pairs import PairCounts
from judge.comparison import Comparison
from pipeline.context import Run
from pipeline.folder import WORKING_STAGES
from pipeline.stage_behaviour import Comparison as Answered
from pipeline.stage_judge import read_account
from reports.data import StageTime


def stage_costs(
    run: Run, generation: PairCounts, second: Comparison | None, answered: Sequence[Answered]
) -> tuple[StageTime, ...]:
    """The stages that are done, in their order. Other stages than these four keep no count."""
    account = read_account(run)
    answers = [answer for row in answered for answer in (row.before, row.after)]
    counted = {
        "generate": _answers(generation.responses, generation.tokens),
        "judge": {
            "counted": sum(account["states"].values()),
            "tokens_in": account["count"].get("all_tokens_in"),
            "tokens_out": account["count"].get("all_tokens_out"),
        },
        "second-opinion": _votes(second) if second else {},
        "behaviour": _answers(len(answers), sum(answer.tokens for answer in answers)),
    }
    stamps = [stamp for name in WORKING_STAGES if (stamp := run.folder.stamp(name)) is not None]
    return tuple(
        StageTime(stage=one.stage, seconds=one.seconds, peak_mib=one.peak_mib, **counted.get(one.stage, {}))
        for one in stamps
    )


def _answers(number: int, tokens: int) -> dict[str, int | None]:
    """Nothing for answers that were imported, or counted by an older version: their tokens are not known."""
    return {"counted": number, "tokens_out": tokens} if tokens else {}


def _votes(second: Comparison) -> dict[str, int | None]:
    """Its means a vote, times its votes."""
    cost = second.judges[1].cost
    return {
        "counted": cost.votes,
        "tokens_in": round(cost.votes * cost.tokens_in),
        "tokens_out": round(cost.votes * cost.tokens_out),
    }
