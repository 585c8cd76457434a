"""`preceptor constitution check | show | diff | init | schema`: constitutions, and what changing one does."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.options import Judge, Name, RunsFolder, Settings

if TYPE_CHECKING:
    from constitution.model import Constitution
    from constitution.record import Record

constitution_app = typer.Typer(no_args_is_help=True, help="Write, check, show and compare constitutions.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="A constitution.", show_default=False)]
RunFile = Annotated[Optional[Path], typer.Option("--run", metavar="RUN.yaml", help="A run that it is for.")]  # noqa: UP045


@constitution_app.command("check")
def check(
    file: File,
    prompts: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--prompts", metavar="FILE", help="Prompts that its scopes should meet. Repeatable."),
    ] = None,
    run_file: RunFile = None,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 if there is a warning.")] = False,
) -> None:
    """Check a constitution: every fault at once, with file, line and column; then warn of what is doubtful."""
    from constitution.load import read_constitution
    from pipeline.console import printable
    from pipeline.lint import lint

    written = read_constitution(file)
    linted = lint(written, prompts or [], run_file, {"name": name, "judge": judge}, runs, settings or [])
    for line in (*_summary(file, written.constitution), *map(str, linted.findings), *linted.notes):
        typer.echo(printable(line))
    if strict and linted.findings:
        raise typer.Exit(code=1)


def _summary(file: Path, constitution: Constitution) -> Iterator[str]:
    from constitution.show import shares
    from constitution.wording import plural

    yield f"{file}: {plural(len(constitution.principles), 'principle')}, rule {constitution.aggregation.rule}"
    share = shares(constitution)
    for principle in constitution.principles:
        measured = f"check {principle.check.type}" if principle.check else "no check: needs an llm judge"
        scope = f"prompts tagged {', '.join(principle.scope)}" if principle.scope else "every prompt"
        yield f"  {principle.id}: {share[principle.id]:.0%} of the weight, {principle.axis}, {scope}, {measured}"


@constitution_app.command("show")
def show(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As one file that extends nothing.")] = False,
) -> None:
    """Show a constitution as it is in the end: what it extends worked in, weights normalised, keys, meaning."""
    from constitution import show as showing
    from constitution.load import read_constitution
    from pipeline.console import printable, spelt_out

    written = read_constitution(file)
    if as_yaml:
        typer.echo(spelt_out(showing.as_yaml(written.constitution), wide="\\U{:08X}"), nl=False)
    elif as_json:
        typer.echo(spelt_out(showing.show(written).model_dump_json(indent=2)))
    else:
        typer.echo(printable("\n".join(showing.shown_lines(showing.show(written)))))


@constitution_app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A constitution.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="What it is to be.", show_default=False)],
    run_file: RunFile = None,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Compare two constitutions: what changed. With --run: what that does to the run's votes and labels, and what it is
    predicted to do to its behaviour, once `preceptor trace RUN.yaml` has followed the training. The prediction is for
    the pairs trained on and has intervals; where votes are missing it is for two suppositions. Asks no judge."""
    from constitution.diff import diff as difference
    from constitution.diff import diff_lines
    from constitution.load import load_constitution
    from pipeline.console import printable, spelt_out

    found = difference(load_constitution(old), load_constitution(new))
    if not as_json:
        typer.echo(printable("\n".join([f"{old} -> {new}", *(f"  {line}" for line in diff_lines(found))])))
    flags = {"name": name, "judge": judge}
    parts = dict(_effects(run_file, flags, settings or [], runs, old, new)) if run_file else {}
    if as_json:
        whole = {"diff": found.model_dump(mode="json")}
        dumped = {part: record.model_dump(mode="json") for part, (record, _) in parts.items()}
        typer.echo(spelt_out(json.dumps(whole | dumped, indent=2, ensure_ascii=False)))
        return
    for _, lines in parts.values():
        typer.echo(printable("\n".join(lines)))
    if not found.empty:
        typer.echo(printable(_next(run_file, flags, settings or [], runs)))


def _next(run_file: Path | None, flags: Mapping[str, str | None], settings: Sequence[str], runs: Path) -> str:
    """What to do with it: a run is done again in its own folder, so that who wants to compare keeps a copy."""
    if run_file is None:
        return "what that does to a run's votes, labels and behaviour: the same with --run RUN.yaml"
    from pipeline.invoked import named, program
    from pipeline.load import load_run
    from pipeline.opened import folder_of

    folder = folder_of(load_run(run_file, flags, settings), run_file, runs).root
    made_with = [*(["--judge", judge] if (judge := flags["judge"]) else []), *(f"--set={one}" for one in settings)]
    run = " ".join([named(run_file, flags["name"], runs), *map(shlex.quote, made_with)])
    return (
        "To compare it later with what there is now, first keep a copy, under any name: "
        f"cp -r {folder} {folder}-before\n"
        f"Then put the new constitution into {run_file}, and: {program()} run {run}\n"
        f"And at the end: {program()} compare {folder}-before {folder}"
    )


def _effects(
    run_file: Path, flags: Mapping[str, object], settings: Sequence[str], runs: Path, old: Path, new: Path
) -> Iterator[tuple[str, tuple[Record, list[str]]]]:
    """Every part of what the exchange does to the run, with its lines."""
    from pipeline.constitution_effects import EFFECTS
    from pipeline.exchange import exchange
    from pipeline.opened import opened_run

    with opened_run(run_file, flags, settings, runs, dry=True) as run:
        change = exchange(run, old, new)
        for part, effect in EFFECTS.items():
            record = effect.measure(change)
            yield part, (record, list(effect.lines(record)))


@constitution_app.command("init")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("constitution.yaml"),
) -> None:
    """Write a commented constitution to start from. A file that is there is left as it is."""
    from constitution.starter import write_starter
    from pipeline.invoked import program

    write_starter(file)
    typer.echo(f"{file} written; edit it, then: {program()} constitution check {file}")


@constitution_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a constitution's file, for editors."""
    from constitution.schema import constitution_schema, schema_text

    typer.echo(schema_text(constitution_schema()), nl=False)
