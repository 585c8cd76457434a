"""`pairs: FOLDER` in the run file: stage `generate` takes imported pairs instead of sampling answers."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.files import write_json, write_records
from constitution.identity import digest
from generate.pairs import PairCounts
from generate.records import Pair, Prompt
from pipeline.context import Run

OFF_POLICY = (
    "the pairs were imported, so their answers are not the policy's own: training may move the probability of texts "
    "that the policy would hardly write, and its margins and accuracy need not show in what it writes; "
    "read the behaviour before and after"
)


def imported_inputs(run: Run) -> dict[str, str]:
    """Identity of the imported pairs: what is in them, not where the folder is."""
    pairs, singles = run.imported_pairs, run.imported_singles
    return {
        "imported pairs": digest("imported", pairs=[[p.key, p.prompt.id, list(p.prompt.tags)] for p in pairs]),
        "imported singles": digest("imported", singles=[single.model_dump_json() for single in singles]),
    }


def take_imported(run: Run) -> list[str]:
    """Write the run's pairs and prompts; returns what there is to say."""
    pairs = run.imported_pairs
    prompts = distinct_prompts(pairs)
    counts = imported_counts(pairs)
    run.sample_store().close()  # behaviour's answers go there; none of these pairs was sampled
    write_records(run.folder.prompts, prompts)
    write_records(run.folder.pairs, neighbours(pairs))
    write_json(run.folder.pair_counts, counts.model_dump())
    if run.imported_singles:
        write_records(run.folder.singles, run.imported_singles)
    else:
        run.folder.singles.unlink(missing_ok=True)
    return imported_preview(run)


def imported_preview(run: Run) -> list[str]:
    """What `take_imported` takes."""
    counts = imported_counts(run.imported_pairs)
    return [f"{counts.pairs} imported pairs of {counts.prompts} prompts from {run.config.pairs}; nothing is sampled"]


def neighbours(pairs: Sequence[Pair]) -> list[Pair]:
    """A prompt's pairs next to each other, prompts by their first pair: stage `label` goes prompt by prompt."""
    place = {prompt.key: i for i, prompt in enumerate(distinct_prompts(pairs))}
    return sorted(pairs, key=lambda pair: place[pair.prompt.key])


def distinct_prompts(pairs: Sequence[Pair]) -> list[Prompt]:
    """Each prompt once, in the order of the pairs."""
    return list({pair.prompt.key: pair.prompt for pair in pairs}.values())


def imported_counts(pairs: Sequence[Pair]) -> PairCounts:
    """The account of a generation that sampled nothing. How an imported answer ended is not known: none `finished`."""
    responses = {response.key for pair in pairs for response in (pair.a, pair.b)}
    return PairCounts(
        prompts=len(distinct_prompts(pairs)),
        responses=len(responses),
        duplicates=0,
        empty=0,
        finished=0,
        prompts_without_pair=0,
        pairs=len(pairs),
        imported=len(responses),
    )
