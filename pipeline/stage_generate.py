"""Stage `generate`: prompts -> answers -> pairs, or imported pairs. Writes 10-prompts.jsonl and the 20-* files."""

from __future__ import annotations

from constitution.errors import DataError
from constitution.files import write_atomically, write_records
from constitution.identity import digest
from generate.pairs import PairCounts, count_pairs, pair_up
from generate.records import Prompt
from generate.sampling import SamplePlan, missing_prompts, sample_prompts
from pipeline.context import Run
from pipeline.imported import imported_inputs, imported_preview, take_imported
from pipeline.stage import Stage


def prompts_digest(prompts: list[Prompt]) -> str:
    """Identity of a prompt file's content: conversations, ids and tags, in order."""
    return digest("prompts", prompts=[[p.key, p.id, list(p.tags)] for p in prompts])


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


def _execute(run: Run) -> list[str]:
    if run.config.pairs:
        return take_imported(run)
    prompts, plan = run.train_prompts, _plan(run)
    with run.sample_store() as store:
        missing = len(missing_prompts(prompts, plan, store))
        run.console.say(
            f"  {len(prompts)} prompts x {plan.samples} answers: {missing} prompts to sample, the rest is stored"
        )
        sets = sample_prompts(
            prompts,
            plan,
            store,
            lambda: run.engine(run.config.engine, run.reference),
            run.console.tick,
            "sampling answers (prompts)",
        )
    pairs = [
        pair
        for prompt, answers in zip(prompts, sets, strict=True)
        for pair in pair_up(prompt, answers.responses, run.config.generate.pairing, run.config.seed)
    ]
    if not pairs:
        raise DataError(
            "no prompt has two different answers: raise `generate.samples` or `generate.sampling.temperature`"
        )
    counts = count_pairs(sets, pairs)
    write_records(run.folder.prompts, prompts)
    write_records(run.folder.pairs, pairs)
    write_atomically(run.folder.pair_counts, counts.model_dump_json(indent=2) + "\n")
    return _summary(counts)


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
        missing = len(missing_prompts(prompts, plan, store))
    limit = plan.sampling.max_new_tokens
    return [
        f"{missing} of {len(prompts)} prompts x {plan.samples} answers to sample, "
        f"at most {missing * plan.samples * limit} tokens"
    ]


GENERATE = Stage(
    name="generate",
    needs=(),
    inputs=_inputs,
    outputs=lambda folder: [folder.prompts, folder.samples, folder.pairs, folder.pair_counts],
    execute=_execute,
    preview=_preview,
)
