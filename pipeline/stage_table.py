"""The stages of a run as a table that a terminal shows while it works: done, rate, what remains, tokens spent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table
from rich.text import Text

from constitution.progress import Tick, duration

COLUMNS = ("stage", "", "done", "rate", "remaining", "tokens", "time")


@dataclass
class StageRow:
    """One stage; `tick` is the last that it gave, `first` how much was done when that kind of work began."""

    name: str
    state: str = "waiting"
    began: float | None = None
    seconds: float | None = None
    tick: Tick | None = None
    first: int = 0
    counted: float = 0.0
    tokens: dict[str, int] = field(default_factory=dict)

    def take(self, tick: Tick, now: float) -> None:
        """The newest count of this stage's work."""
        if self.tick is None or tick.what != self.tick.what:
            self.first, self.counted = tick.done, now
        self.tick = tick
        self.tokens[tick.what] = tick.tokens

    def cells(self, now: float) -> list[str]:
        """One for each of COLUMNS."""
        spent = sum(self.tokens.values())
        took = self.seconds if self.began is None or self.seconds is not None else now - self.began
        return [
            self.name,
            self.state if self.tick is None or self.state != "running" else self.tick.what,
            "" if self.tick is None else f"{self.tick.done:,} of {self.tick.total:,}",
            *self._pace(now),
            f"{spent:,}" if spent else "",
            "" if took is None else duration(took),
        ]

    def _pace(self, now: float) -> tuple[str, str]:
        """Rate and remaining time from this work's own rate; nothing before something fresh was done."""
        if self.tick is None or self.state != "running":
            return "", ""
        fresh, passed = self.tick.done - self.first, now - self.counted
        if fresh <= 0 or passed <= 0:
            return "", ""
        rate = fresh / passed
        shown = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
        return shown, duration((self.tick.total - self.tick.done) / rate)


class StageTable:
    """Live below what is printed. One stage runs at a time."""

    def __init__(self, console: RichConsole, names: Sequence[str]) -> None:
        self.rows = {name: StageRow(name) for name in names}
        self._current: StageRow | None = None
        self._live = Live(console=console, get_renderable=self.table, refresh_per_second=4, transient=True)

    def start(self) -> None:
        """Show it."""
        self._live.start()

    def stop(self) -> None:
        """Take it away: what the stages said stays."""
        self._live.stop()

    def begin(self, name: str) -> None:
        """This stage runs now."""
        row = self.rows.setdefault(name, StageRow(name))
        row.state, row.began, self._current = "running", time.monotonic(), row

    def end(self, name: str, state: str) -> None:
        """It has come to its end: `done`, or `nothing to do`."""
        row = self.rows.setdefault(name, StageRow(name))
        row.state = state
        row.seconds = None if row.began is None else time.monotonic() - row.began
        self._current = None

    def tick(self, tick: Tick) -> None:
        """How far the running stage is."""
        if self._current:
            self._current.take(tick, time.monotonic())

    def table(self) -> Table:
        """As it is now."""
        shown = Table(*COLUMNS, box=SIMPLE_HEAD, show_edge=False)
        for column in shown.columns[2:]:
            column.justify = "right"
        now = time.monotonic()
        for row in self.rows.values():
            style = {"running": "bold", "waiting": "dim"}.get(row.state, "")
            shown.add_row(*(Text(cell) for cell in row.cells(now)), style=style)
        return shown
