"""Stage `generate`: prompts -> answers -> pairs, or imported pairs. Writes 10-prompts.jsonl and the 20-* files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import JsonValue

from constitution.errors import DataError
from constitution.files import write_atomically, write_records
from constitution.identity import digest, rows_digest
from constitution.wording import plural
from generate.lengths import check_lengths
from generate.pairs import PairCounts, count_pairs, pair_up
from generate.records import Pair, Prompt
from generate.sampling import (
    SamplePlan,
    SampleSet,
    count_missing,
    missing_batches,
    sample_missing,
    stored_answers,
)
from pipeline.config import RunConfig
from pipeline.context import Run
from pipeline.executors import sampler
from pipeline.expected import NOT_MEASURED, time_by_last
from pipeline.imported import imported_inputs, imported_preview, take_imported
from pipeline.stage import Stage
from pipeline.used import settings_of

STORED_UNTIMED = "answers that were stored already took none of it"


def prompts_digest(prompts: Iterable[Prompt]) -> str:
    """Identity of a prompt file's content: conversations, ids and tags, in order."""
    return rows_digest("prompts", "prompts", ([p.key, p.id, list(p.tags)] for p in prompts))


def _plan(run: Run) -> SamplePlan:
    settings = run.config.generate
    return run.sample_plan(run.reference, settings.samples, settings.sampling)


def _inputs(run: Run) -> dict[str, str]:
    if run.config.pairs:
        return imported_inputs(run)
    plan = _plan(run)
    return {
        "training prompts": prompts_digest(run.train_prompts),
        "model": run.reference.revision,
        "sampling": digest("sampling", sampler=plan.sampler, n=plan.samples),
        "seed": str(plan.seed),
        "pairing": run.config.generate.pairing,
    }


def _uses(config: RunConfig) -> dict[str, JsonValue]:
    if config.pairs:
        return settings_of(config, "pairs")
    plain = ("pairs", "model", "revision", "seed", "generate", "engine", "executor")
    return settings_of(config, *plain, prompts=["train"], engines=[config.engine])


def _execute(run: Run) -> list[str]:
    if run.config.pairs:
        return take_imported(run)
    prompts, plan, counts = run.train_prompts, _plan(run), Counter[str]()
    with run.sample_store() as store:
        missing = count_missing(prompts, plan, store)
        run.console.say(f"  {to_sample(missing, run.train_count, plan.samples)}")
        if missing:
            engine = run.config.engines[run.config.engine]
            check_lengths(missing_batches(prompts, plan, store), run.reference, engine, plan.sampling.max_new_tokens)
        what = "sampling answers (prompts)"
        sample_missing(prompts, plan, store, sampler(run, run.reference, plan), run.console.tick, what)
        write_records(run.folder.pairs, _paired(run, stored_answers(prompts, plan, store), counts))
    write_records(run.folder.prompts, prompts)
    account = PairCounts.model_validate(counts)
    write_atomically(run.folder.pair_counts, account.model_dump_json(indent=2) + "\n")
    return _summary(account)


def _paired(run: Run, answered: Iterable[tuple[Prompt, SampleSet]], counts: Counter[str]) -> Iterator[Pair]:
    """Every prompt's pairs, counted on their way. Raises DataError at the end if there is none."""
    for prompt, answers in answered:
        pairs = pair_up(prompt, answers.responses, run.config.generate.pairing, run.config.seed)
        counts.update(count_pairs([answers], pairs).model_dump())
        yield from pairs
    if not counts["pairs"]:
        raise DataError(
            "no prompt has two different answers: raise `generate.samples` or `generate.sampling.temperature`"
        )


def _summary(counts: PairCounts) -> list[str]:
    return [
        f"{counts.responses} answers ({counts.finished} ended by the model, the others cut at the limit); "
        f"dropped: {counts.duplicates} duplicates, {counts.empty} empty",
        f"{counts.pairs} pairs; {counts.prompts_without_pair} prompts without one",
    ]


def _preview(run: Run) -> list[str]:
    if run.config.pairs:
        return imported_preview(run)
    plan, prompts = _plan(run), run.train_prompts
    with run.sample_store() as store:
        missing = count_missing(prompts, plan, store)
    tokens = missing * plan.samples * plan.sampling.max_new_tokens
    most = f": at most {plural(tokens, 'token')}" if missing else ""
    time = time_by_last(run, "generate", lines_in(run.folder.prompts), missing, "prompt", STORED_UNTIMED)
    return [f"{to_sample(missing, run.train_count, plan.samples)}{most}", *([time] if time != NOT_MEASURED else [])]


def to_sample(missing: int, prompts: int, samples: int, what: str = "prompt") -> str:
    """In words, how many prompts lack their answers, and how many these are."""
    if not missing:
        return f"0 {what}s to sample: the answers to all {plural(prompts, what)} are stored"
    stored = f" ({prompts - missing} of {prompts} are stored)" if missing < prompts else ""
    return f"{plural(missing, what)} to sample{stored}, {plural(samples, 'answer')} each"


def lines_in(path: Path) -> int:
    """How many records a file has; 0 where there is none."""
    if not path.is_file():
        return 0
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


GENERATE = Stage(
    name="generate",
    needs=(),
    inputs=_inputs,
    uses=_uses,
    outputs=lambda folder: [folder.prompts, folder.samples, folder.pairs, folder.pair_counts],
    execute=_execute,
    preview=_preview,
)
