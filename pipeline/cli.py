"""The command line. `preceptor run RUN.yaml` is the whole thread; each stage is a sub-command of its own.

Nothing heavy is imported here: `preceptor --help` answers before torch could be loaded.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from constitution.errors import PreceptorError, disk_trouble
from generate.memory import is_out_of_memory
from pipeline.command_ablate import ablate_command
from pipeline.command_chat import chat_command
from pipeline.command_compare import compare_command
from pipeline.command_conflicts import conflicts_command
from pipeline.command_constitution import constitution_app
from pipeline.command_export import export_command
from pipeline.command_import import import_command
from pipeline.command_merge import merge_command
from pipeline.command_trace import trace_command
from pipeline.command_whatif import whatif_command
from pipeline.workers import check_command, help_training, is_helper, joined, leaving

app = typer.Typer(
    name="preceptor",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a constitution in YAML to a trained model, and from its behaviour back to the principles.",
)
app.add_typer(constitution_app, name="constitution")
INTERRUPTED = 130
MEMORY_RAN_OUT = (
    "Memory ran out: end what else uses it, take a smaller model or lower the engine's `batch_size`. What was finished "
    "is kept: the same command goes on from there."
)
RunFile = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)]
Name = Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")]  # noqa: UP045
Judge = Annotated[Optional[str], typer.Option(help="Use this entry of `judges`, instead of the run file's.")]  # noqa: UP045
Seed = Annotated[Optional[int], typer.Option(help="Seed, instead of the run file's.")]  # noqa: UP045
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as train.beta=0.2. Repeatable."),
]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")]
AcceptJudge = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--accept-judge", metavar="NAME", help="Train on this judge's labels although its audit failed."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be computed, and why; compute nothing.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Put failed votes to the judge again, also those that would fail alike.")
]
Measure = Annotated[
    bool, typer.Option("--measure", help="With --dry-run: ask the judge a few of the votes, to time it; they are kept.")
]
Track = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--track", metavar="trackio|wandb|tensorboard", help="Also send the training's metrics there."),
]


Executor = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="local|ray", help="Sample and judge in this process, or on Ray actors.", show_default=False),
]


def _say_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        typer.echo(f"preceptor {version('preceptor')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version, and end.")
]


@app.callback()
def without_command(version: Version = False) -> None:
    """Options that stand before a command."""


def _add_command(command_name: str, stages: tuple[str, ...] | None, help_text: str) -> None:
    """A command that runs these stages, or all of them when None; every such command takes the same options."""

    def command(
        run_file: RunFile,
        name: Name = None,
        judge: Judge = None,
        seed: Seed = None,
        settings: Settings = None,
        runs: RunsFolder = Path("runs"),
        accept_judge: AcceptJudge = None,
        dry_run: DryRun = False,
        retry_failed: RetryFailed = False,
        measure: Measure = False,
        executor: Executor = None,
        track: Track = None,
    ) -> None:
        from pipeline.load import executor_settings
        from pipeline.run import run_pipeline
        from pipeline.tracking import check_tracker

        check_tracker(track, command_name)

        flags = {"name": name, "judge": judge, "seed": seed}
        chosen = executor_settings(executor) + (settings or [])
        if is_helper():
            help_training(run_file, flags, chosen, runs, alone=dry_run)
            return
        with joined(alone=dry_run):
            run_pipeline(
                stages,
                run_file,
                flags,
                chosen,
                runs,
                dry_run,
                accept=accept_judge or [],
                retry_failed=retry_failed,
                measure=measure,
                track=track,
            )

    app.command(name=command_name, help=help_text)(command)


def _stage_command(stage: str, help_text: str) -> None:
    _add_command(stage, (stage,), help_text)


_add_command(
    "run", None, "Do everything, from generating to the report. The same command again goes on where it stopped."
)


_stage_command("generate", "Sample answers to the training prompts and pair them.")
_stage_command("judge", "Ask the judge for one vote per pair, principle and order; only what is not stored.")
_stage_command("second-opinion", "Put a sample of the pairs before another judge and compare.")
_stage_command("label", "Turn votes into labels by the constitution's rule; asks no judge.")
_stage_command("train", "Train the policy on the labels.")
_stage_command("behaviour", "Sample both policies on the held-out prompts and compare them.")
_stage_command("report", "Write the report from what the other stages left.")


app.command("import")(import_command)
app.command("export")(export_command)
app.command("merge")(merge_command)
app.command("trace")(trace_command)
app.command("chat")(chat_command)
app.command("compare")(compare_command)
app.command("conflicts")(conflicts_command)
app.command("ablate")(ablate_command)
app.command("whatif")(whatif_command)


@app.command("calibrate")
def calibrate(
    run_file: RunFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.", show_default=False)],
    judge: Annotated[Optional[str], typer.Option(help="An entry of `judges`; the run's own when omitted.")] = None,  # noqa: UP045
    gold: Annotated[Optional[Path], typer.Option(help="A folder that `preceptor import` wrote.")] = None,  # noqa: UP045
    name: Name = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Fit how sure a judge may be, principle by principle: against gold labels, or its own votes in the other order."""
    from pipeline.command_calibrate import run_calibrate

    run_calibrate(run_file, judge, gold, out, {"name": name}, settings or [], runs, dry_run)


@app.command("audit")
def audit(
    run_file: RunFile,
    name: Name = None,
    judge: Judge = None,
    seed: Seed = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Audit the judge with altered questions and against gold; exit code 3 if it does not pass."""
    from pipeline.command_audit import run_audit

    run_audit(run_file, {"name": name, "judge": judge, "seed": seed}, settings or [], runs, dry_run)


@app.command("compare-judges")
def compare_judges(
    run_file: RunFile,
    judges: Annotated[
        str, typer.Option(metavar="A,B[,C]", help="Entries of the run file's `judges`.", show_default=False)
    ],
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs, of as many prompts as possible.")] = 200,
    name: Name = None,
    seed: Seed = None,
    settings: Settings = None,
    runs: RunsFolder = Path("runs"),
    dry_run: DryRun = False,
    measure: Measure = False,
) -> None:
    """Put the same pairs before several judges: agreement, labels that would flip, cost. Trains nothing."""
    from pipeline.compare import run_comparison

    flags = {"name": name, "seed": seed}
    named = [judge.strip() for judge in judges.split(",")]
    run_comparison(run_file, flags, settings or [], runs, named, pairs, dry_run, measure)


def entry() -> None:
    """The console script."""
    with leaving():
        answer()


def answer() -> None:
    """The command, to its exit: one sentence for a user's mistake (exit code 2), 130 for Ctrl-C."""
    from pipeline.console import printable

    def say(sentence: str) -> None:
        if not is_helper():
            typer.echo(printable(sentence), err=True)

    try:
        check_command(next(iter(sys.argv[1:]), ""))
        app()
    except PreceptorError as error:
        say(str(error))
        sys.exit(2)
    except (OSError, ValueError) as error:
        sentence = disk_trouble(error)
        if sentence is None:
            raise
        say(sentence)
        sys.exit(2)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        say(MEMORY_RAN_OUT)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        # The exit is typer's own answer to Ctrl-C; the other is Ctrl-C again, while that was being answered.
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("Stopped. What was done so far is kept: the same command goes on from there.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    entry()
