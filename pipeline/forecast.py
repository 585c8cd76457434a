"""What a dry run says of votes to come: calls, exact prompt tokens, a bound on answers, and time where measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice

from constitution.store import Store
from generate.records import Pair
from generate.settings import OpenAiEngine
from generate.tokens import encode, load_tokenizer
from judge.ask import batches, judge_pairs
from judge.forecast import Encoder, Forecast, forecast, total_of
from judge.interface import Judge
from judge.llm import JudgeByModel
from judge.pace import Pace
from judge.panel import turns
from judge.records import Vote
from judge.settings import LlmJudge
from pipeline.console import duration
from pipeline.context import Run
from pipeline.paces import keep_paces, read_paces

ANY_LENGTH = 10**9
"""Counting tokens refuses no prompt; asking may."""
WHY_ABOUT = (
    "tokens are an estimate: the tokenizer of a server's model is not known here (characters are counted), and a judge "
    "of two steps also reads its own reasons, not counted"
)
WARM_UP_PAIRS, MEASURED_PAIRS = 1, 2


def say_forecast(run: Run, judge: Judge, pairs: Iterable[Pair], store: Store[Vote], stage: str = "") -> None:
    """Say what the missing votes take, principle by principle. With `run.measure`, ask a few of them first. `stage` is
    whose they are, where its time is added to that of others."""
    if run.measure:
        _measure(run, judge, pairs, store)
    rows = forecast_votes(run, judge, pairs, store)
    for line in forecast_lines(run, judge, rows):
        run.console.say(f"    {line}")
    if stage and any(isinstance(turn.judge, JudgeByModel) for turn in turns(judge, run.constitution)):
        run.foreseen[stage] = seconds_of(run, judge, rows)


def foretold(run: Run, judge: Judge) -> set[str]:
    """The principles, by id, that `say_forecast` has a line for: those that a judge with a model votes on."""
    asked = turns(judge, run.constitution)
    return {one.id for turn in asked if isinstance(turn.judge, JudgeByModel) for one in turn.principles}


def forecast_votes(run: Run, judge: Judge, pairs: Iterable[Pair], store: Store[Vote]) -> list[Forecast]:
    """What the missing votes take, a row for each judge and principle. Loads tokenizers and no model."""
    encoders = lru_cache(partial(_encoder, run))
    return forecast(batches(pairs, run.constitution, judge, store, None, run.retry_failed), encoders)


def forecast_lines(run: Run, judge: Judge, rows: Sequence[Forecast]) -> Iterator[str]:
    """The same in words, for the judges that have a model."""
    paces = read_paces(run)
    for member in (turn.judge for turn in turns(judge, run.constitution)):
        mine = [row for row in rows if row.judge == member.name]
        if mine and isinstance(member, JudgeByModel):
            yield from _row_lines(mine)
            yield _time_of(sum(row.calls for row in mine), paces.get(member.digest))


def seconds_of(run: Run, judge: Judge, rows: Sequence[Forecast]) -> float | None:
    """The same in seconds, for all judges that have a model; None where one of them was never timed."""
    paces, calls = read_paces(run), Counter[str]()
    for row in rows:
        calls[row.judge] += row.calls
    models = [turn.judge for turn in turns(judge, run.constitution) if isinstance(turn.judge, JudgeByModel)]
    timed = [(calls[one.name], paces.get(one.digest)) for one in models if calls[one.name]]
    if any(pace is None for _, pace in timed):
        return None
    return sum(count * pace.seconds_a_vote for count, pace in timed if pace)


def _row_lines(rows: list[Forecast]) -> Iterator[str]:
    total = total_of(rows)
    for row in rows if len(rows) == 1 else [*rows, total]:
        about = "" if row.exact else "about "
        yield (
            f"{row.principle}: {row.calls:,} calls, {about}{row.prompt_tokens:,} prompt tokens "
            f"({about}{row.distinct_tokens:,} with common beginnings counted once), "
            f"at most {row.answer_tokens:,} tokens of answers"
        )
    if not total.exact:
        yield WHY_ABOUT


def _time_of(calls: int, pace: Pace | None) -> str:
    if pace is None:
        return "time: not measured yet for this judge; `--dry-run --measure` asks a few votes, and keeps them"
    slower = ", the loading of the model included" if pace.loading else ""
    return (
        f"time: about {duration(calls * pace.seconds_a_vote)} at {pace.seconds_a_vote:.3g} s a vote, "
        f"measured on {pace.votes:,} votes{slower}"
    )


def _encoder(run: Run, judge: JudgeByModel) -> Encoder | None:
    """The judge's own tokenizer; None behind a server. Loads no weights."""
    settings = run.config.judges[judge.name]
    assert isinstance(settings, LlmJudge)
    if isinstance(run.config.engines[settings.engine], OpenAiEngine):
        return None
    tokenizer = load_tokenizer(run.judges_model(settings))
    return lambda conversations: encode(tokenizer, conversations, 0, ANY_LENGTH)


def _measure(run: Run, judge: Judge, pairs: Iterable[Pair], store: Store[Vote]) -> None:
    """Ask about one pair, which loads the model, then about a few more with the clock running. The votes are kept."""
    lacking = (pair for pair in pairs if _lacks(run, judge, pair, store))
    first, rest = list(islice(lacking, WARM_UP_PAIRS)), list(islice(lacking, MEASURED_PAIRS))
    for some in (first, rest):
        paces = judge_pairs(some, run.constitution, judge, store, run.console.tick, retry_failed=run.retry_failed).paces
        keep_paces(run, {i: pace.model_copy(update={"loading": some is first}) for i, pace in paces.items()})


def _lacks(run: Run, judge: Judge, pair: Pair, store: Store[Vote]) -> bool:
    return any(batch.missing for batch in batches([pair], run.constitution, judge, store, None, run.retry_failed))
