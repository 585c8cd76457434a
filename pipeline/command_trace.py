"""`preceptor trace RUN.yaml [--principle ID | --pair KEY | --behaviour ID | --response FILE]`: from a principle to what
moved, from a label to its votes, from a behaviour or an answer to the principles and pairs that moved it.

Each thread is a function that reads what the run's stages left and returns a record and its lines: see `THREADS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional

import typer

from pipeline.options import Judge, Name, RunsFolder, Settings

if TYPE_CHECKING:
    from constitution.record import Record
    from pipeline.context import Run

KEYS_LISTED = 5
PrincipleId = Annotated[Optional[str], typer.Option(metavar="ID", help="A principle of the constitution.")]  # noqa: UP045
PairKey = Annotated[Optional[str], typer.Option(metavar="KEY", help="A pair's key, or how it begins.")]  # noqa: UP045
BehaviourId = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="ID", help="A principle: who moved its margin on the held-out pairs."),
]
ResponseFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(metavar="FILE", help='Who made this answer likelier: JSON, {"prompt": ..., "response": ...}.'),
]
JsonFile = Annotated[Optional[Path], typer.Option("--json", metavar="FILE", help="Also write it as JSON.")]  # noqa: UP045


class Traced(NamedTuple):
    """A thread: as data, and as lines for a terminal."""

    record: Record
    lines: list[str]


def trace_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    principle: PrincipleId = None,
    pair: PairKey = None,
    behaviour: BehaviourId = None,
    response: ResponseFile = None,
    json_file: JsonFile = None,
    name: Name = None,
    judge: Judge = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Follow a principle to what moved, a pair to its label, a behaviour or an answer to who moved it. With none of
    them named, all that the report traces: stage `trace`."""
    answer = None if response is None else str(response)
    asked = {"principle": principle, "pair": pair, "behaviour": behaviour, "response": answer}
    flags = {"name": name, "judge": judge}
    if json_file is None and all(what is None for what in asked.values()):
        from pipeline.run import run_pipeline

        run_pipeline(("trace",), run_file, flags, settings or [], runs)
        return
    run_trace(run_file, asked, flags, settings or [], runs, json_file)


def run_trace(
    path: Path,
    asked: Mapping[str, str | None],
    flags: Mapping[str, object],
    settings: Sequence[str],
    runs: Path,
    json_file: Path | None = None,
) -> None:
    """Follow the one thread that is `asked` for, by its name in THREADS. What needs the model is kept beside the run's
    recording; nothing else is written in the run folder.

    Raises ConfigError unless exactly one is, DataError where the run has not what it takes.
    """
    from constitution.files import write_atomically
    from pipeline.opened import opened_run

    thread, what = _only(asked)
    with opened_run(path, flags, settings, runs, dry=thread not in GRADIENT_THREADS) as run:
        traced = THREADS[thread](run, what)
        for line in traced.lines:
            run.console.say(line)
        if json_file is not None:
            write_atomically(json_file, traced.record.model_dump_json(indent=2) + "\n")
            run.console.say(f"written to {json_file}")


def _only(asked: Mapping[str, str | None]) -> tuple[str, str]:
    from constitution.errors import ConfigError, Problem

    given = [(name, what) for name, what in asked.items() if what is not None]
    if len(given) != 1:
        options = ", ".join(f"--{name}" for name in asked)
        raise ConfigError([Problem("trace", 0, 1, f"give exactly one of {options}; {len(given)} were given")])
    return given[0]


def _principle_thread(run: Run, principle_id: str) -> Traced:
    from pipeline.judged import read_behaviour, read_labelled, read_metrics
    from pipeline.out_of_step import out_of_step
    from reports.principle_trace import principle_trace
    from reports.principle_words import principle_lines

    principles = {principle.id: principle for principle in run.constitution.principles}
    if principle_id not in principles:
        raise _unknown("--principle", principle_id, f"the constitution has: {', '.join(principles)}")
    labelled = read_labelled(run, "trace")
    found = principle_trace(
        principles[principle_id],
        labelled.pairs,
        labelled.labels,
        run.constitution,
        labelled.best_worst,
        list(read_metrics(run)) if run.folder.metrics.exists() else (),
        read_behaviour(run) if run.folder.behaviour.exists() else None,
    )
    return Traced(found, [*(f"Note: {note}" for note in out_of_step(run.folder)), *principle_lines(found)])


def _pair_thread(run: Run, begins: str) -> Traced:
    from judge.ask import collect_votes
    from pipeline.judged import read_labelled
    from pipeline.stage import check_made
    from reports.pair_trace import pair_trace
    from reports.pair_words import pair_lines

    labelled = read_labelled(run, "trace")
    check_made(run, [run.folder.votes], "trace", "judge")
    at = _place([pair.key for pair in labelled.pairs], begins)
    pair, judge = labelled.pairs[at], run.judge(run.config.judge)
    with run.judged_votes() as store:
        votes = collect_votes([pair], run.constitution, judge, store)[pair.key]
    found = pair_trace(pair, labelled.labels[at], votes, run.constitution, judge, run.calibration)
    return Traced(found, pair_lines(found))


def _behaviour_thread(run: Run, principle: str) -> Traced:
    from pipeline.trace_moved import behaviour_moved
    from reports.trace.words import moved_lines

    found = behaviour_moved(run, principle)
    return Traced(found, moved_lines(found))


def _response_thread(run: Run, file: str) -> Traced:
    from pipeline.trace_moved import response_moved
    from reports.trace.words import moved_lines

    found = response_moved(run, Path(file))
    return Traced(found, moved_lines(found))


GRADIENT_THREADS = {"behaviour", "response"}
THREADS: dict[str, Callable[[Run, str], Traced]] = {
    "principle": _principle_thread,
    "pair": _pair_thread,
    "behaviour": _behaviour_thread,
    "response": _response_thread,
}
"""By the option's name."""


def _place(keys: Sequence[str], begins: str) -> int:
    """Where the one key is that begins so."""
    found = [place for place, key in enumerate(keys) if begins and key.startswith(begins)]
    if not found:
        raise _unknown(
            "--pair", begins, "no pair of the run has a key that begins so (40-labels.jsonl and the report have them)"
        )
    if len(found) > 1:
        listed = ", ".join(keys[place] for place in found[:KEYS_LISTED])
        raise _unknown(
            "--pair", begins, f"{len(found)} pairs begin so: {listed}{', ...' if len(found) > KEYS_LISTED else ''}"
        )
    return found[0]


def _unknown(option: str, given: str, why: str) -> Exception:
    from constitution.errors import ConfigError, Problem

    return ConfigError([Problem(option, 0, 1, f"`{given}`: {why}")])
