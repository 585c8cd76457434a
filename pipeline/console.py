"""What a run says while it works: a live bar on a terminal; elsewhere a line when work begins, and now and then.

Text that came from a model or a file never reaches the terminal with its control characters.
"""

from __future__ import annotations

import json
import math
import sys
import time
import unicodedata
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from constitution.progress import Tick
from constitution.progress import duration as duration
from pipeline.stage_table import StageTable

LINE_EVERY_SECONDS = 15.0
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    """`text` without control and format characters (escape sequences, bidi overrides), line breaks kept."""
    return "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    )


def spelt_out(document: str, wide: str = "") -> str:
    """JSON, with the characters that `printable` takes out as escapes: the same document, and safe on a terminal.

    `wide` is the escape of a character beyond U+FFFF where it is not JSON's, as in YAML: `\\U{:08X}`.
    """
    return "".join(c if c in "\n\t" or c == printable(c) else _escape(c, wide) for c in document)


def _escape(character: str, wide: str) -> str:
    return wide.format(ord(character)) if wide and ord(character) > 0xFFFF else json.dumps(character)[1:-1]


def _spent(tick: Tick) -> str:
    tokens = f"{tick.tokens:,} tokens" if tick.tokens else ""
    return "".join(f"  {part}" for part in (tokens, tick.note) if part)


class Console:
    """The run's voice. `tick` is the Progress that stages are given."""

    def __init__(self) -> None:
        self._rich = RichConsole(highlight=False, soft_wrap=True)
        self.live = self._rich.is_terminal
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._started = 0.0
        self._first_done = 0
        self._last_line = 0.0
        self._stages: StageTable | None = None

    def stages(self, names: Sequence[str]) -> None:
        """From now on, on a terminal, a table of these stages below all else."""
        if self.live and len(names) > 1:
            self._stages = StageTable(self._rich, names)
            self._stages.start()

    def stage(self, name: str, state: str) -> None:
        """`running`, or how it ended."""
        if self._stages:
            self._stages.begin(name) if state == "running" else self._stages.end(name, state)

    def end_stages(self) -> None:
        """Take the table away."""
        if self._stages:
            self._stages.stop()
        self._stages = None

    def say(self, text: str = "") -> None:
        """One line or more of plain text."""
        self._rich.print(Text(printable(text)))

    def columns(self, titles: Sequence[str], texts: Sequence[str]) -> None:
        """Texts beside each other, each under its title."""
        table = Table(box=SIMPLE_HEAD, expand=True, show_edge=False)
        for title in titles:
            table.add_column(Text(printable(title)), ratio=1)
        table.add_row(*(Text(printable(text)) for text in texts))
        self._rich.print(table)

    def heading(self, text: str) -> None:
        """A stage's line."""
        self._rich.print(Text(printable(text), style="bold"))

    def tick(self, tick: Tick) -> None:
        """Show how far the work is; the estimate of what remains comes from this run's own rate."""
        if self._stages:
            self._stages.tick(tick)
            return
        if tick.what != self._what:
            self._begin(tick)
        if self.live:
            self._show_bar(tick)
        else:
            self._show_line(tick)
        if tick.done >= tick.total:
            self._end()

    def _begin(self, tick: Tick) -> None:
        self._end()
        self._what, self._started, self._first_done = tick.what, time.monotonic(), tick.done
        self._last_line = -math.inf  # the first tick is a line at once: it says what has begun
        if self.live:
            columns = (
                "  {task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                "{task.fields[note]}",
            )
            self._bars = Progress(
                *(TextColumn(c) if isinstance(c, str) else c for c in columns), console=self._rich, transient=True
            )
            self._bars.start()
            self._task = self._bars.add_task(escape(tick.what), total=tick.total, completed=tick.done, note="")

    def _show_bar(self, tick: Tick) -> None:
        assert self._bars is not None
        assert self._task is not None
        self._bars.update(self._task, completed=tick.done, total=tick.total, note=escape(tick.note))

    def _show_line(self, tick: Tick) -> None:
        now = time.monotonic()
        if now - self._last_line < LINE_EVERY_SECONDS or tick.done >= tick.total:
            return
        self._last_line = now
        fresh = tick.done - self._first_done
        remains = f", about {duration((now - self._started) / fresh * (tick.total - tick.done))} left" if fresh else ""
        self.say(f"  {tick.what}: {tick.done} of {tick.total}{remains}{_spent(tick)}")
        sys.stdout.flush()

    def _end(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars, self._task, self._what = None, None, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self.end_stages()
