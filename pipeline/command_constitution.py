"""`preceptor constitution check | show | init | schema`: constitutions by themselves, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

constitution_app = typer.Typer(no_args_is_help=True, help="Write, check, show and compare constitutions.")
File = Annotated[Path, typer.Argument(metavar="FILE", help="A constitution.", show_default=False)]


@constitution_app.command("check")
def check(file: File) -> None:
    """Check a constitution: every fault at once, with file, line and column."""
    from constitution.load import load_constitution
    from constitution.show import shares

    constitution = load_constitution(file)
    typer.echo(f"{file}: {len(constitution.principles)} principles, rule {constitution.aggregation.rule}")
    share = shares(constitution)
    for principle in constitution.principles:
        measured = f"check {principle.check.type}" if principle.check else "no check: needs an llm judge"
        scope = f"prompts tagged {', '.join(principle.scope)}" if principle.scope else "every prompt"
        typer.echo(f"  {principle.id}: {share[principle.id]:.0%} of the weight, {principle.axis}, {scope}, {measured}")


@constitution_app.command("show")
def show(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As one file that extends nothing.")] = False,
) -> None:
    """Show a constitution as it is in the end: what it extends worked in, weights normalised, keys, meaning."""
    from constitution import show as showing
    from constitution.load import read_constitution
    from pipeline.console import printable

    written = read_constitution(file)
    if as_yaml:
        typer.echo(showing.as_yaml(written.constitution), nl=False)
    elif as_json:
        typer.echo(showing.show(written).model_dump_json(indent=2))
    else:
        typer.echo(printable("\n".join(showing.shown_lines(showing.show(written)))))


@constitution_app.command("init")
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("constitution.yaml"),
) -> None:
    """Write a commented constitution to start from. A file that is there is left as it is."""
    from constitution.starter import write_starter

    write_starter(file)
    typer.echo(f"{file} written; edit it, then: preceptor constitution check {file}")


@constitution_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a constitution's file, for editors."""
    from constitution.schema import constitution_schema, schema_text

    typer.echo(schema_text(constitution_schema()), nl=False)
