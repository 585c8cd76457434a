"""`pairs: FOLDER` in the run file: stage `generate` takes imported pairs instead of sampling answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from constitution.files import write_json, write_lines, write_records
from constitution.identity import rows_digest
from constitution.scratch import FirstValues, Grouped, SeenKeys
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
    pairs = ([pair.key, pair.prompt.id, list(pair.prompt.tags)] for pair in run.imported_pairs)
    singles = (single.model_dump_json() for single in run.imported_singles)
    return {
        "imported pairs": rows_digest("imported", "pairs", pairs),
        "imported singles": rows_digest("imported", "singles", singles),
    }


class Taken(NamedTuple):
    """The account of pairs that were imported, and how many more came that were there already."""

    counts: PairCounts
    twice: int


def take_imported(run: Run) -> list[str]:
    """Write the run's pairs and prompts; returns what there is to say."""
    run.sample_store().close()  # behaviour's answers go there; none of these pairs was sampled
    with Grouped() as pairs, Grouped() as prompts:
        taken = gather_imported(run.imported_pairs, pairs, prompts)
        write_lines(run.folder.prompts, prompts)
        write_lines(run.folder.pairs, pairs)
    write_json(run.folder.pair_counts, taken.counts.model_dump())
    if any(True for _ in run.imported_singles):
        write_records(run.folder.singles, run.imported_singles)
    else:
        run.folder.singles.unlink(missing_ok=True)
    return [_said(run, taken)]


def imported_preview(run: Run) -> list[str]:
    """What `take_imported` takes."""
    with Grouped() as pairs, Grouped() as prompts:
        return [_said(run, gather_imported(run.imported_pairs, pairs, prompts))]


def _said(run: Run, taken: Taken) -> str:
    twice = f" ({taken.twice} more were there already)" if taken.twice else ""
    what = f"{taken.counts.pairs} imported pairs of {taken.counts.prompts} prompts"
    return f"{what} from {run.config.pairs}{twice}; nothing is sampled"


def gather_imported(source: Iterable[Pair], pairs: Grouped, prompts: Grouped) -> Taken:
    """Put the pairs as lines into `pairs`, a prompt's next to each other, and each prompt once into `prompts`.

    Stage `label` goes prompt by prompt. A conversation has the id and the tags that it came with first. How an imported
    answer ended is not known: none `finished`.
    """
    twice = responses = 0
    with FirstValues() as known, SeenKeys() as seen, SeenKeys() as answers:
        for pair in source:
            if not seen.add([pair.key]):
                twice += 1
                continue
            key, line = pair.prompt.key, pair.prompt.model_dump_json()
            first = known.get(key)
            if first is None:
                known.setdefault(key, line)
                prompts.add(key, line)
            elif first != line:
                pair = pair.model_copy(update={"prompt": Prompt.model_validate_json(first)})
            pairs.add(key, pair.model_dump_json())
            responses += len(answers.add([pair.a.key, pair.b.key]))
    counts = PairCounts(
        prompts=len(prompts),
        responses=responses,
        duplicates=0,
        empty=0,
        finished=0,
        prompts_without_pair=0,
        pairs=len(pairs),
        imported=responses,
    )
    return Taken(counts, twice)
