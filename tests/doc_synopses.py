"""A documented command -> the command lines that it promises: with and without what stands in [brackets], each of what
is divided by |, its explanation cut off."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache
from typing import Any

import typer

COMMENT = re.compile(r"\s+#\s.*$|(?<=\S)\s{2,}\S.*$")
"""What follows a command on its line: a comment, or an explanation after at least two spaces."""
TOKEN = re.compile(r"\[|\]|\||\"[^\"]*\"|'[^']*'|[^\s\[\]|]+(?:\[[^\s\]]*\])?")


def stripped(line: str) -> str:
    """The command alone."""
    return COMMENT.sub("", line).strip()


def command_lines(line: str) -> list[list[str]]:
    """Every word list that the line stands for: all optional parts, none, and each alternative."""
    plain = stripped(line).replace(" ...]", "]").replace("[,C]", "")
    values = re.search(r"[\w-]+(?:\|[\w-]+)+", plain)
    if values:
        each = (plain.replace(values[0], value) for value in values[0].split("|"))
        return [words for one in each for words in command_lines(one)]
    tokens = TOKEN.findall(plain)
    bare, depth = list[str](), 0
    for token in tokens:
        depth += (token == "[") - (token == "]")
        if depth == 0 and token != "]":
            bare.append(token)
    whole = [token for token in tokens if token not in "[]"]
    found = [line for words in (bare, whole) for line in _alternatives(words)]
    return [shlex.split(" ".join(words)) for words in {tuple(words): words for words in found}.values()]


def _alternatives(words: list[str]) -> list[list[str]]:
    """One list for each side of every |: an option goes with its value, a word alone."""
    items: list[list[str]] = []
    for word in words:
        joins = items and items[-1][0].startswith("--") and len(items[-1]) == 1 and not word.startswith(("--", "|"))
        if joins:
            items[-1].append(word)
        else:
            items.append([word])
    groups: list[list[list[str]]] = []
    divided = False
    for item in items:
        if item == ["|"]:
            divided = True
        elif divided:
            groups[-1].append(item)
            divided = False
        else:
            groups.append([item])
    most = max(len(group) for group in groups)
    return [[word for group in groups for word in group[min(i, len(group) - 1)]] for i in range(most)]


def filled(words: Iterable[str], values: dict[str, str]) -> list[str]:
    """Placeholders such as RUN.yaml or N replaced; `...` says that more of the same may follow."""
    kept = [word for word in words if word != "..."]
    return [values.get(word, word) for word in kept]


@cache
def _root(app: typer.Typer) -> Any:
    return typer.main.get_command(app)


def mentioned(app: typer.Typer, words: list[str]) -> None:
    """Raises AssertionError unless there is such a command with these options; arguments may be missing."""
    command, left = _root(app), list(words)
    while hasattr(command, "commands") and left and not left[0].startswith("-"):
        assert left[0] in command.commands, f"no command {left[0]}"
        command = command.commands[left.pop(0)]
    known = {"--help", *(name for parameter in command.params for name in parameter.opts)}
    assert {word for word in left if word.startswith("--")} <= known, " ".join(words)


def parse(app: typer.Typer, words: list[str]) -> Any:
    """The command's context as the command line would make it, nothing executed. Raises click's UsageError."""
    command: Any = _root(app)
    context = None
    arguments = words
    while True:
        context = command.make_context(command.name, list(arguments), parent=context)
        if not hasattr(command, "resolve_command"):
            return context
        _, command, arguments = command.resolve_command(context, context._protected_args + context.args)
