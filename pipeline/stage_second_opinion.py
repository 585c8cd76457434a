"""Stage `second-opinion`: a sample of the pairs before another judge. Writes 30-second-opinion.json; labels nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

from constitution.errors import DataError
from constitution.files import read_records, write_json
from constitution.identity import digest, file_digest, seed_from
from generate.records import Pair
from judge.agreement import compare_judges
from judge.ask import collect_votes
from pipeline.config import SecondOpinion
from pipeline.context import Run
from pipeline.stage import Stage
from pipeline.stage_judge import ask_votes, judge_inputs


def _settings(run: Run) -> SecondOpinion:
    if run.config.second_opinion is None:
        raise DataError("the run file has no `second_opinion`")
    return run.config.second_opinion


def sample_pairs(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    """`count` pairs of as many prompts as possible: one pair a prompt, in an order drawn by `seed`, then the others."""
    order = list(pairs)
    random.Random(seed_from("second opinion", seed)).shuffle(order)  # noqa: S311
    seen: set[str] = set()
    ranked: list[tuple[bool, Pair]] = []
    for pair in order:
        ranked.append((pair.prompt.key in seen, pair))
        seen.add(pair.prompt.key)
    return [pair for _, pair in sorted(ranked, key=lambda row: row[0])][:count]


def _inputs(run: Run) -> dict[str, str]:
    settings = _settings(run)
    return {
        "pairs": file_digest(run.folder.pairs),
        "sample": digest("sample", pairs=settings.pairs, seed=run.config.seed),
        **judge_inputs(run, run.judge(settings.judge)),
        "first judge": run.judge(run.config.judge).digest,
    }


def _execute(run: Run) -> list[str]:
    settings = _settings(run)
    pairs = sample_pairs(read_records(run.folder.pairs, Pair), settings.pairs, run.config.seed)
    first, second = run.judge(run.config.judge), run.judge(settings.judge)
    with run.vote_store() as store:
        count = ask_votes(run, pairs, second, store)
        rows = compare_judges(
            pairs,
            run.constitution,
            collect_votes(pairs, run.constitution, first, store),
            collect_votes(pairs, run.constitution, second, store),
        )
    write_json(
        run.folder.agreement,
        {
            "first": run.config.judge,
            "second": settings.judge,
            "second_model": getattr(run.config.judges[settings.judge], "model", None),
            "pairs": [pair.key for pair in pairs],
            "count": count.model_dump(),
            "principles": [row.model_dump(mode="json") for row in rows],
        },
    )
    return [f"judge `{settings.judge}` on {len(pairs)} pairs: {count.asked} votes asked, {count.stored} from the store"]


SECOND_OPINION = Stage(
    name="second-opinion",
    needs=("generate", "judge"),
    inputs=_inputs,
    outputs=lambda folder: [folder.agreement],
    execute=_execute,
    preview=lambda run: [
        f"judge `{_settings(run).judge}` on {_settings(run).pairs} pairs, compared with `{run.config.judge}`"
    ],
)
