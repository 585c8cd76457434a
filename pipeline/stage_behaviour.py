"""Stage `behaviour`: both policies answer the held-out prompts, the run's judge compares. Writes 60-behaviour.json (the
table) and 60-comparisons.jsonl (the answers and each principle's preference behind it), and puts the table into the
model's card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from constitution.files import read_records, write_atomically, write_records
from constitution.identity import digest
from constitution.record import Record
from generate.engine import ModelRef, Sampling
from generate.records import Pair, Prompt, Response
from generate.sampling import SampleSet, count_missing, sample_prompts
from judge.ask import collect_votes, judge_pairs
from judge.calibration import Applied, calibration_inputs
from judge.judges import Judge
from judge.labels import Missing, view
from judge.reasons import NOT_RECORDED
from judge.records import Vote
from pipeline.config import RunConfig
from pipeline.context import Run
from pipeline.executors import answerer, sampler
from pipeline.expected import time_by_last
from pipeline.stage import Stage
from pipeline.stage_generate import prompts_digest, to_sample
from pipeline.stage_judge import judge_inputs
from pipeline.used import settings_of, voters
from reports.behaviour import BehaviourTable, behaviour_table
from reports.data import HeldOutAnswers

MOVED = "interval, and p after Holm's adjustment"
"""The rule by which reports/behaviour.py finds that a row moved: a table made by another one is made again."""

STORED_UNTIMED = "answers and votes that were stored already took none of it"


class Comparison(Record):
    """The i-th answer of the trained policy against the i-th of the one before."""

    prompt: Prompt
    """The held-out prompt."""
    before: Response
    """The answer before training."""
    after: Response
    """The answer after it."""
    preferences: dict[str, float | None]
    """Principle id -> probability that `after` is better; None where the judge gave no preference. Only principles in
    scope; 0.5 where both texts are the same."""


def _sampling(run: Run) -> Sampling:
    return run.config.behaviour.sampling or run.config.generate.sampling


def _policy(run: Run) -> ModelRef:
    return run.model(str(run.folder.policy.resolve()))


def _inputs(run: Run) -> dict[str, str]:
    settings, judge = run.config.behaviour, _judge(run)
    return {
        "held-out prompts": prompts_digest(run.heldout_prompts),
        "model": run.reference.revision,
        "policy": _policy(run).revision,
        "behaviour settings": digest(
            "behaviour", sampling=_sampling(run).model_dump(), **settings.model_dump(exclude={"sampling", "judge"})
        ),
        "seed": str(run.config.seed),
        "what counts as moved": MOVED,
        **judge_inputs(run, judge),
        **calibration_inputs(run.calibration_of(judge)),
    }


def _uses(config: RunConfig) -> dict[str, JsonValue]:
    plain = ["model", "revision", "seed", "behaviour", "engine", "votes", "executor"]
    sampled = ["prompts_per_batch"] if config.behaviour.sampling else ["prompts_per_batch", "sampling"]
    named = config.behaviour.judge
    return settings_of(
        config,
        *(plain if named else [*plain, "judge", "sources"]),
        prompts=["heldout"],
        generate=sampled,
        judges=[named] if named else voters(config),
        engines=[config.engine],
    )


def _judge(run: Run) -> Judge:
    """The one that is named for it votes on all principles, whatever their sources."""
    named = run.config.behaviour.judge
    return run.judge_alone(named, run.constitution) if named else run.judge(run.config.judge)


def _sample(run: Run, model: ModelRef, what: str) -> list[SampleSet]:
    plan = run.sample_plan(model, run.config.behaviour.samples, _sampling(run))
    with run.sample_store() as store:
        return sample_prompts(run.heldout_prompts, plan, store, sampler(run, model, plan), run.console.tick, what)


def compare(run: Run, before: Sequence[SampleSet], after: Sequence[SampleSet]) -> list[Comparison]:
    """Judge every (after_i, before_i) whose texts differ, under every principle in scope."""
    judge = _judge(run)
    calibration = run.calibration_of(judge)
    couples = [
        (prompt, old, new)
        for prompt, olds, news in zip(run.heldout_prompts, before, after, strict=True)
        for old, new in zip(olds.responses, news.responses, strict=True)
    ]
    pairs = [Pair(prompt=prompt, a=new, b=old) for prompt, old, new in couples if new.text != old.text]
    with run.vote_store() as store:
        count = judge_pairs(pairs, run.constitution, judge, store, run.console.tick, answerer=answerer(run))
        votes = collect_votes(pairs, run.constitution, judge, store)
    if unknown := count.reasons.get(NOT_RECORDED):
        run.console.say(
            f"  {unknown} comparisons could not be judged, since nobody recorded an opinion on these new answers: "
            "name a judge that can be asked under `behaviour.judge`"
        )
    return [
        Comparison(
            prompt=prompt,
            before=old,
            after=new,
            preferences=_preferences(run, judge, calibration, prompt, old, new, votes),
        )
        for prompt, old, new in couples
    ]


def _preferences(
    run: Run,
    judge: Judge,
    calibration: Applied | None,
    prompt: Prompt,
    old: Response,
    new: Response,
    votes: dict[str, dict[str, tuple[Vote, ...]]],
) -> dict[str, float | None]:
    in_scope = [p for p in run.constitution.principles if p.applies_to(prompt.tags)]
    if old.text == new.text:
        return dict.fromkeys((p.id for p in in_scope), 0.5)
    by_principle = votes.get(Pair(prompt=prompt, a=new, b=old).key, {})
    found = {p.id: view(by_principle.get(p.id, ()), p, judge, calibration) for p in in_scope}
    return {name: None if isinstance(seen, Missing) else seen.p for name, seen in found.items()}


def table_of(run: Run, comparisons: Sequence[Comparison]) -> BehaviourTable:
    """The behaviour table of stored comparisons."""
    before: dict[str, list[Response]] = defaultdict(list)
    after: dict[str, list[Response]] = defaultdict(list)
    preferences: dict[str, dict[str, list[float | None]]] = {
        p.id: defaultdict(list) for p in run.constitution.principles
    }
    for row in comparisons:
        before[row.prompt.key].append(row.before)
        after[row.prompt.key].append(row.after)
        for principle, p in row.preferences.items():
            preferences[principle][row.prompt.key].append(p)
    return behaviour_table(run.heldout_prompts, before, after, preferences, run.config.behaviour, run.config.seed)


def _execute(run: Run) -> list[str]:
    from pipeline.model_card import add_behaviour

    before = _sample(run, run.reference, "answers before training (prompts)")
    after = _sample(run, _policy(run), "answers after training (prompts)")
    comparisons = compare(run, before, after)
    table = table_of(run, comparisons)
    write_records(run.folder.comparisons, comparisons)
    write_atomically(run.folder.behaviour, table.model_dump_json(indent=2) + "\n")
    add_behaviour(run, table)
    return [f"{row.id}: {row.verdict}" for row in table.principles]


def _preview(run: Run) -> list[str]:
    settings = run.config.behaviour
    plan = run.sample_plan(run.reference, settings.samples, _sampling(run))
    with run.sample_store() as store:
        missing = count_missing(run.heldout_prompts, plan, store)
    prompts = len(run.heldout_prompts)
    return [
        f"before training: {to_sample(missing, prompts, settings.samples, 'held-out prompt')}",
        f"after training: {to_sample(prompts, prompts, settings.samples, 'held-out prompt')}, unless this very policy "
        "was sampled before",
        time_by_last(run, "behaviour", _compared(run), prompts * settings.samples, "comparison", STORED_UNTIMED),
    ]


def _compared(run: Run) -> int:
    """How many comparisons the stage left when it was last done."""
    if not run.folder.comparisons.is_file():
        return 0
    with run.folder.comparisons.open("rb") as lines:
        return sum(1 for _ in lines)


def read_comparisons(run: Run) -> list[Comparison]:
    """What the stage left."""
    return read_records(run.folder.comparisons, Comparison)


def answers_by_prompt(rows: Iterable[Comparison]) -> list[HeldOutAnswers]:
    """The same, a record for each prompt."""
    by_prompt: dict[str, list[Comparison]] = defaultdict(list)
    for row in rows:
        by_prompt[row.prompt.key].append(row)
    return [
        HeldOutAnswers(
            prompt=rows[0].prompt,
            before=tuple(row.before for row in rows),
            after=tuple(row.after for row in rows),
            preferences={name: tuple(row.preferences[name] for row in rows) for name in rows[0].preferences},
        )
        for rows in by_prompt.values()
    ]


BEHAVIOUR = Stage(
    name="behaviour",
    needs=("train",),
    inputs=_inputs,
    uses=_uses,
    outputs=lambda folder: [folder.behaviour, folder.comparisons],
    execute=_execute,
    preview=_preview,
)
