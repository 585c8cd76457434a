"""`preceptor chat RUN.yaml`: the reference and the trained policy answer the same prompt, side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.options import Judge, Name, RunsFolder, Settings

if TYPE_CHECKING:
    from pipeline.chat import Exchange
    from pipeline.console import Console

QUIT = "/quit"
HELP = f"Every line is a prompt of its own. {QUIT} or Ctrl-D ends."


def chat_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    prompt: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--prompt", metavar="TEXT", help="Answer this and end, instead of asking."),
    ] = None,
    json_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", metavar="FILE", help="Also write it as JSON, a line for each prompt."),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(min=0, help="Seed of both answers, instead of the run's.")] = None,  # noqa: UP045
    temperature: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Of both; 0 is greedy. The run's own when omitted."),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Say which principles made the difference.")] = True,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Let the policy before and after training answer the same prompt, and trace the difference to the principles.

    On a terminal prompts are asked for, else one is read from standard input.
    """
    run_chat(
        run_file, prompt, json_file, (seed, temperature, trace), {"name": name, "judge": judge}, settings or [], runs
    )


def run_chat(
    path: Path,
    prompt: str | None,
    json_file: Path | None,
    how: tuple[int | None, float | None, bool],
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
) -> None:
    """`how` is seed, temperature, and whether to trace. Nothing is written in the run folder but what a trace keeps."""
    from constitution.errors import DataError
    from constitution.files import write_atomically
    from pipeline.chat import opened_chat
    from pipeline.opened import opened_run

    asking = prompt is None and sys.stdin.isatty()
    given = [] if asking else [_checked(sys.stdin.buffer.read() if prompt is None else prompt)]
    written: list[str] = []
    with opened_run(path, flags, settings, runs, dry=True) as run, opened_chat(run, *how) as chat:
        for text in _typed(run.console) if asking else given:
            try:
                exchange = chat.ask(text)
            except DataError as error:
                if not asking:
                    raise
                run.console.say(str(error))
                continue
            show(run.console, exchange)
            written.append(exchange.model_dump_json() + "\n")
            if json_file is not None:
                write_atomically(json_file, "".join(written))


def _checked(given: str | bytes) -> str:
    """The prompt as text. Raises ConfigError if there is none, or it is no UTF-8."""
    from constitution.errors import ConfigError, Problem

    where = "standard input" if isinstance(given, bytes) else "--prompt"
    try:
        text = (given if isinstance(given, bytes) else given.encode("utf-8")).decode("utf-8").strip()
    except UnicodeError:
        raise ConfigError([Problem(where, 0, 1, "not UTF-8 text")]) from None
    if not text:
        raise ConfigError([Problem(where, 0, 1, "no prompt: give one with --prompt TEXT or on standard input")])
    return text


def _typed(console: Console) -> Iterator[str]:
    """What somebody types at a terminal, line by line, until QUIT or the end of input."""
    import readline  # noqa: F401 - gives the prompt its line editing

    from rich.console import Console as Terminal

    from constitution.errors import ConfigError

    console.say(HELP)
    while True:
        try:
            line = Terminal().input("> ").strip()
        except EOFError:
            console.say()
            return
        if line == QUIT:
            return
        if not line:
            continue
        try:
            yield _checked(line)
        except ConfigError as error:
            console.say(str(error))


def show(console: Console, exchange: Exchange) -> None:
    """Both answers, beside each other on a terminal, and the trace. Control characters are left out."""
    from pipeline.chat import NOT_WANTED
    from reports.text import indented
    from reports.trace.words import principle_lines

    sides = {"reference": exchange.reference, "trained": exchange.trained}
    titles = [f"{name} ({one.tokens} tokens{', cut' if one.finish == 'length' else ''})" for name, one in sides.items()]
    texts = [one.text.strip() or "(nothing)" for one in sides.values()]
    if console.live:
        console.columns(titles, texts)
    else:
        for title, text in zip(titles, texts, strict=True):
            console.say(f"{title}:\n{indented(text, by=2)}")
    if exchange.trace is not None:
        console.say("\n".join(principle_lines(exchange.trace)))
    elif exchange.untraced != NOT_WANTED:
        console.say(f"no trace: {exchange.untraced}")
