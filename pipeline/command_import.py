"""`preceptor import FORMAT SOURCE... --out FOLDER`: others' preference data -> a folder for `pairs:` and `recorded`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from constitution.errors import Problem
    from constitution.values import ValueFault
    from judge.imports.found import Request

Format = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help="trl, hh-rlhf, annotated-pairs, datasets, thumbs, llmbar, llmbar-verdicts or xstest.",
        show_default=False,
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...", help="Files, URLs, data set folders, or Hugging Face ids of data sets.", show_default=False
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write.", show_default=False)]
Split = Annotated[str, typer.Option(help="The split of a data set that has several.")]
Limit = Annotated[Optional[int], typer.Option(help="Rows to read of each source.")]  # noqa: UP045
Voice = Annotated[str, typer.Option(help="Whose preferences these are: human, ai, user or expert.")]
Annotator = Annotated[str, typer.Option(help="A name for whoever judged, where the data has none.")]
About = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--principle", help="The principle that the preferences are about, instead of the whole pair."),
]
Tags = Annotated[Optional[list[str]], typer.Option("--tag", help="A tag for every prompt. Repeatable.")]  # noqa: UP045
License = Annotated[Optional[str], typer.Option("--license", help="The data's licence, kept with it.")]  # noqa: UP045
Url = Annotated[Optional[str], typer.Option(help="Where the data is from, kept with it.")]  # noqa: UP045
Note = Annotated[Optional[str], typer.Option(help="Anything else worth keeping with it.")]  # noqa: UP045


def import_command(
    format_name: Format,
    sources: Sources,
    out: Out,
    split: Split = "train",
    limit: Limit = None,
    voice: Voice = "human",
    annotator: Annotator = "",
    principle: About = None,
    tags: Tags = None,
    license_name: License = None,
    url: Url = None,
    note: Note = None,
) -> None:
    """Import preferences of people, users, experts or other judges: pairs and opinions about them."""
    from judge.imports.account import account_lines
    from judge.imports.read import import_preferences
    from pipeline.console import Console

    fields: dict[str, object] = {"format": format_name, "sources": tuple(sources), "split": split, "limit": limit}
    fields |= {"voice": voice, "annotator": annotator, "principle": principle, "tags": tuple(tags or ())}
    fields |= {"license": license_name, "url": url, "note": note}
    account = import_preferences(_request(fields), out)
    with Console() as console:
        for line in account_lines(account):
            console.say(line)
        console.say(f"written to {out}")


_OPTIONS = {"format": "FORMAT", "sources": "SOURCE", "tags": "--tag"}
"""The fields of a Request that are not called as their option."""
_KINDS_OF_FILES = ("csv", "json", "jsonl", "ndjson", "parquet")


def _request(fields: dict[str, object]) -> Request:
    """Raises ConfigError naming every option that is at fault."""
    from pydantic import ValidationError

    from constitution.errors import ConfigError
    from constitution.values import value_faults
    from judge.imports.found import Request

    try:
        return Request.model_validate(fields)
    except ValidationError as error:
        raise ConfigError([_problem(fault, fields) for fault in value_faults(error, fields, Request)]) from None


def _problem(fault: ValueFault, fields: dict[str, object]) -> Problem:
    from constitution.errors import Problem

    name = fault.where.partition(".")[0]
    hint = ""
    if name == "format" and str(fields[name]).lower().removeprefix(".") in _KINDS_OF_FILES:
        hint = (
            ". What kind of file it is shows in its name; FORMAT says what its columns are: "
            "`trl` for `prompt`, `chosen`, `rejected`"
        )
    return Problem(_OPTIONS.get(name, f"--{name}"), 0, 1, f"{fault.message}{hint}")
