"""Stage `second-opinion`: a sample of the pairs before another judge. Writes 30-second-opinion.json; labels nothing."""

from __future__ import annotations

from pydantic import JsonValue

from constitution.errors import DataError
from constitution.files import write_atomically
from constitution.identity import digest, file_digest
from pipeline.compare import compare_on, sample_pairs
from pipeline.config import RunConfig, SecondOpinion
from pipeline.context import Run
from pipeline.expected import NOT_MEASURED
from pipeline.forecast import foretold, say_forecast
from pipeline.stage import Stage
from pipeline.stage_judge import judge_inputs, say_plan, votes_mark, votes_replaced
from pipeline.used import settings_of, voters


def _settings(run: Run) -> SecondOpinion:
    if run.config.second_opinion is None:
        raise DataError("the run file has no `second_opinion`")
    return run.config.second_opinion


def _inputs(run: Run) -> dict[str, str]:
    settings = _settings(run)
    return {
        "pairs": file_digest(run.folder.pairs),
        "sample": digest("sample", pairs=settings.pairs, seed=run.config.seed),
        **judge_inputs(run, run.judge(settings.judge)),
        "first judge": run.judge(run.config.judge).digest,
    }


def _uses(config: RunConfig) -> dict[str, JsonValue]:
    asked = [*voters(config), *([config.second_opinion.judge] if config.second_opinion else [])]
    return settings_of(config, "second_opinion", "seed", "judge", "sources", "votes", "executor", judges=asked)


def _execute(run: Run) -> list[str]:
    settings = _settings(run)
    pairs = sample_pairs(run.pairs(), settings.pairs, run.config.seed)
    comparison = compare_on(run, (run.config.judge, settings.judge), pairs)
    write_atomically(run.folder.agreement, comparison.model_dump_json(indent=2) + "\n")
    cost = comparison.judges[1].cost
    return [
        f"judge `{settings.judge}` on {len(pairs)} pairs: {cost.asked} votes asked, "
        f"{cost.votes - cost.asked} from the store"
    ]


def _preview(run: Run) -> list[str]:
    """With what the other judge's missing votes take; only once there are pairs can they be counted."""
    settings = _settings(run)
    what = f"judge `{settings.judge}` on {settings.pairs} pairs, compared with `{run.config.judge}`"
    if not run.folder.pairs.exists():
        return [what, NOT_MEASURED]
    run.console.say(f"  {what}")
    pairs, judge = sample_pairs(run.pairs(), settings.pairs, run.config.seed), run.judge(settings.judge)
    with run.vote_store() as store:
        if say_plan(run, pairs, judge, store, foretold(run, judge)).to_ask:
            say_forecast(run, judge, pairs, store, "second-opinion")
        else:
            run.foreseen["second-opinion"] = 0.0
    return []


SECOND_OPINION = Stage(
    name="second-opinion",
    needs=("generate", "judge"),
    inputs=_inputs,
    uses=_uses,
    outputs=lambda folder: [folder.agreement],
    execute=_execute,
    unfinished=lambda run: votes_replaced(run, "second-opinion"),
    marks=votes_mark,
    preview=_preview,
)
