"""`preceptor ablate RUN.yaml`: train again with each principle left out, and say what it did to the behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, Optional

import typer

from pipeline.options import Judge


class Wanted(NamedTuple):
    """The command's own options."""

    seeds: int
    subsets: int
    without: Sequence[str]
    controls: bool
    answers: int
    json: Path | None
    dial: str | None = None


def ablate_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds: the run's own and those after it.")] = 1,
    subsets: Annotated[int, typer.Option(min=0, help="Random subsets of the principles, for Shapley values.")] = 0,
    without: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            metavar="ID", help="Leave out this one, or `a+b` together; each in turn when omitted. Repeatable."
        ),
    ] = None,
    answers: Annotated[int, typer.Option(min=0, help="Held-out prompts that each retrained policy answers.")] = 0,
    dial: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="A:B", help="Also train with weight moved between these axes, for the frontier."),
    ] = None,
    controls: Annotated[bool, typer.Option(help="Plant a sham and a duplicated principle.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained; train nothing.")] = False,
    json_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="FILE", help="Also write the report here."),
    ] = None,
    name: Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")] = None,  # noqa: UP045
    judge: Judge = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed, instead of the run file's.")] = None,  # noqa: UP045
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting. Repeatable."),
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """Train again with each principle left out, from the stored votes: which principle did what, with intervals."""
    wanted = Wanted(seeds, subsets, without or [], controls, answers, json_file, dial)
    run_ablation(run_file, {"name": name, "judge": judge, "seed": seed}, settings or [], runs, wanted, dry_run)


def run_ablation(
    path: Path,
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    wanted: Wanted,
    dry_run: bool = False,
) -> None:
    """Retrain what the store lacks and write the report; with `dry_run`, say what that would take.

    Raises DataError where the run is not trained, holds nothing out or has another judge's labels, ConfigError for a
    principle that is not there.
    """
    from pipeline.ablation import retrain, tasks
    from pipeline.ablation_answers import answer_plan
    from pipeline.ablation_inputs import check_measurable, material
    from pipeline.ablation_plan import say_plan
    from pipeline.ablation_report import write_report
    from pipeline.labelled_by import check_judge
    from pipeline.opened import opened_run
    from reports.ablation.plan import Asked, make_plan
    from reports.dial import two_axes

    axes = two_axes(wanted.dial) if wanted.dial else None
    with opened_run(path, flags, settings, runs, dry_run) as run:
        run.console.heading(f"ablate: {run.config.name}")
        found = material(run)
        check_judge(run)
        check_measurable(found, wanted.answers)
        asked = Asked(wanted.seeds, wanted.subsets, wanted.without, wanted.controls, axes)
        plan = make_plan(run.constitution, found.votes(), asked, run.config.seed)
        answers = answer_plan(run, wanted.answers)
        listed = tasks(run, found, plan, answers)
        say_plan(run, found, plan, listed, answers)
        if not dry_run:
            results = retrain(run, found, listed, answers)
            write_report(run, found, plan, results, answers, wanted.json)
