"""The commands' own help as a page of the docs: `python -m pipeline.help_page` writes docs/commands.md.

A test compares the file with what this module writes, so what the page says is what `--help` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer

from constitution.files import write_atomically
from pipeline.cli import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
TYPES = {str: "TEXT", int: "INTEGER", float: "FLOAT", Path: "PATH"}
HEAD = """\
# Commands

What `--help` says, command by command. `python -m pipeline.help_page` writes this page; a test keeps it current.

Exit codes: 0 done; 1 a warning under `--strict`; 2 a mistake, and the one sentence printed says how to mend it;
3 an audit that the judge did not pass; 130 after Ctrl-C, with everything kept that was done.
"""


def help_page() -> str:
    """The whole page."""
    # typer carries its own copy of click and names no type for it.
    root: Any = typer.main.get_command(app)
    sections = [(("preceptor",), root), *_commands(root, ("preceptor",))]
    return "\n".join([HEAD, *(_section(words, command) for words, command in sections)])


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, in the order of `--help`."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, below in command.commands.items():
        yield from _commands(below, (*words, name))


def _section(words: tuple[str, ...], command: Any) -> str:
    name = " ".join(words)
    rows = [_row(parameter) for parameter in command.params]
    table = ["| | | Default |", "|---|---|---|", *rows]
    return "\n".join([f"## {name}\n", f"    {_usage(name, command)}\n", f"{command.help.strip()}\n", *table, ""])


def _usage(name: str, command: Any) -> str:
    """What must be given; of the program itself, all that can be given without a command."""
    if hasattr(command, "commands"):
        return " ".join([name, *(parameter.opts[0] for parameter in command.params)])
    needed = [parameter for parameter in command.params if parameter.required]
    words = [
        _metavar(parameter) if parameter.param_type_name == "argument" else f"{parameter.opts[0]} {_metavar(parameter)}"
        for parameter in needed
    ]
    return " ".join([name, *words])


def _row(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    metavar = "" if getattr(parameter, "is_flag", False) else _metavar(parameter)
    forms = " / ".join([parameter.opts[0], *parameter.secondary_opts])
    shown = metavar if argument else f"{forms} {metavar}".strip()
    return f"| `{shown}` | {(parameter.help or '').replace('|', chr(92) + '|')} | {_default(parameter)} |"


def _metavar(parameter: Any) -> str:
    """Its own name for a value, or else its type's."""
    annotation = parameter.type_descriptor.annotation
    return str(parameter.metavar or TYPES[next(iter(get_args(annotation)), annotation)])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.secondary_opts:
        return f"`{(parameter.opts if parameter.default else parameter.secondary_opts)[0]}`"
    empty = parameter.default is None or parameter.default is False or parameter.default == ""
    return "" if empty else f"`{parameter.default}`"


if __name__ == "__main__":
    write_atomically(PAGE, help_page())
