"""`preceptor compare-judges`: the same pairs under several judges. Writes 31-compare-judges.html and its JSON twin.

Votes come from the run's store and go to it, so that a second run asks nothing, and a judge that is then chosen for the
run has its votes already.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from constitution.errors import ConfigError, DataError, Problem
from constitution.files import write_atomically
from constitution.identity import seed_from
from constitution.store import Store
from generate.records import Pair
from judge.ask import collect_votes
from judge.comparison import Comparison, Judged, compare_all
from judge.records import Vote
from pipeline.context import Run
from pipeline.forecast import say_forecast
from pipeline.invoked import command
from pipeline.opened import opened_run
from pipeline.paces import read_paces
from pipeline.stage_judge import ask_votes, say_plan


def run_comparison(
    path: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    judges: Sequence[str],
    pairs: int,
    dry_run: bool = False,
    measure: bool = False,
) -> None:
    """Compare these entries of `judges` on `pairs` of the run's pairs; with `dry_run`, say what it would cost.

    Raises ConfigError if fewer than two judges are named or one does not exist, DataError if there are no pairs yet.
    """
    with opened_run(path, flags, settings, runs, dry_run, measure=measure) as run:
        _check_names(run, judges)
        if not run.folder.pairs.exists():
            raise DataError(f"there are no pairs to compare judges on: run `{command(run, 'generate')}` first")
        sample = sample_pairs(run.pairs(), pairs, run.config.seed)
        run.console.heading(f"compare-judges: {', '.join(judges)} on {len(sample)} pairs")
        if dry_run:
            _preview(run, judges, sample)
            return
        comparison = compare_on(run, judges, sample)
        _write(run, comparison)


def _check_names(run: Run, judges: Sequence[str]) -> None:
    known = ", ".join(sorted(run.config.judges))
    problems = [
        f"`{name}` is no entry of the run file's `judges`: {known}" for name in judges if name not in run.config.judges
    ]
    if len(set(judges)) < max(2, len(judges)):
        problems.append(f"name at least two different judges, with commas between them; there are: {known}")
    if problems:
        raise ConfigError([Problem("--judges", 0, 1, problem) for problem in problems])


def _preview(run: Run, judges: Sequence[str], pairs: Sequence[Pair]) -> None:
    with run.vote_store() as store:
        for name in judges:
            run.console.say(f"  judge `{name}`")
            judge = run.judge(name)
            if say_plan(run, pairs, judge, store).to_ask:
                say_forecast(run, judge, pairs, store)


def sample_pairs(pairs: Iterable[Pair], count: int, seed: int) -> list[Pair]:
    """`count` pairs of as many prompts as possible: one pair a prompt, in an order drawn by `seed`, then the others."""
    order = list(pairs)
    random.Random(seed_from("second opinion", seed)).shuffle(order)  # noqa: S311
    seen: set[str] = set()
    ranked: list[tuple[bool, Pair]] = []
    for pair in order:
        ranked.append((pair.prompt.key in seen, pair))
        seen.add(pair.prompt.key)
    return [pair for _, pair in sorted(ranked, key=lambda row: row[0])][:count]


def compare_on(run: Run, names: Sequence[str], pairs: Sequence[Pair]) -> Comparison:
    """Ask each judge what the store lacks, one judge after the other, and compare them."""
    with run.vote_store() as store:
        judged = [_judged(run, name, pairs, store) for name in names]
    return compare_all(pairs, run.constitution, judged)


def _judged(run: Run, name: str, pairs: Sequence[Pair], store: Store[Vote]) -> Judged:
    judge = run.judge(name)
    run.console.say(f"  judge `{name}`")
    account = ask_votes(run, pairs, judge, store)
    return Judged(
        name=name,
        judge=judge,
        model=getattr(run.config.judges[name], "model", None),
        votes=collect_votes(pairs, run.constitution, judge, store),
        account=account,
        pace=read_paces(run).get(judge.digest),
        calibration=run.calibration_of(judge),
    )


def _write(run: Run, comparison: Comparison) -> None:
    from reports.comparison import comparison_lines, comparison_page

    write_atomically(run.folder.comparison, comparison.model_dump_json(indent=2) + "\n")
    write_atomically(run.folder.comparison_page, comparison_page(run.config.name, run.constitution, comparison))
    for line in comparison_lines(comparison):
        run.console.say(f"  {line}")
    run.console.say(f"  page: {run.folder.comparison_page}")
