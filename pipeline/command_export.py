"""`preceptor export RUN.yaml --format FORMAT --out FILE|FOLDER|hub:ID`: a run's pairs, votes and labels, or its model,
for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

from constitution.errors import DataError

if TYPE_CHECKING:
    from pipeline.context import Run

FORMATS = ("annotated-pairs", "trl", "datasets", "model")


def export_command(
    run_file: Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.", show_default=False)],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            metavar="WHERE",
            help="A file for annotated-pairs, else a folder; or its URL; or hub:OWNER/NAME with the key in HF_TOKEN.",
            show_default=False,
        ),
    ],
    format_name: Annotated[
        str, typer.Option("--format", help="annotated-pairs, trl, datasets or model.")
    ] = "annotated-pairs",
    license_name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--license", metavar="ID", help="The data's licence, for its card: yours to choose."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new hub repository public; else private.")] = False,
    name: Annotated[Optional[str], typer.Option(help="Run folder's name, instead of the run file's.")] = None,  # noqa: UP045
    judge: Annotated[
        str | None, typer.Option(help="The judge that the run was labelled by, if a flag said it.")
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--set", metavar="KEY=VALUE", help="Settings that the run was made with. Repeatable."),
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the run folders.")] = Path("runs"),
) -> None:
    """Write a labelled run's pairs, votes and labels, or its model, in a format that other tools read."""
    _check(format_name, out)
    from pipeline.console import Console
    from pipeline.context import Run
    from pipeline.load import load_run
    from pipeline.opened import folder_of
    from pipeline.run import STAGES
    from pipeline.stage import check_needs

    config = load_run(run_file, {"name": name, "judge": judge}, settings or [])
    with Console() as console:
        run = Run(config, run_file.resolve().parent, folder_of(config, run_file, runs), console, run_file)
        # Training needs what data needs, pairs and labels; a behaviour needs what a model needs.
        check_needs(STAGES["behaviour" if format_name == "model" else "train"], run, STAGES, "export")
        console.say(_exported(run, format_name, out, license_name, public))


def _check(format_name: str, out: str) -> None:
    """Whether there is somewhere for it to go, before anything heavy is imported. Raises DataError."""
    from constitution.secret import MAY_HOLD_A_SECRET
    from generate.address import KEYLESS
    from generate.record_files import is_url
    from pipeline.hub import PREFIX, hub_key

    if format_name not in FORMATS:
        raise DataError(f"--format `{format_name}`: expected one of {', '.join(FORMATS)}")
    if not out:
        raise DataError("--out: must not be empty")
    if MAY_HOLD_A_SECRET.search(out):
        raise DataError(f"--out: {KEYLESS}")
    if out.startswith(PREFIX):
        if format_name == "annotated-pairs":
            raise DataError(f"--out {PREFIX}... is for --format trl, datasets and model: annotated pairs are one file")
        hub_key(out)
    elif format_name != "annotated-pairs" and not is_url(out):
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{folder}: this is a file; give `--out` a new folder")
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "README.md").is_file():
            raise DataError(f"{folder}: holds other files; give `--out` a new folder")


def _exported(run: Run, format_name: str, out: str, license_name: str | None, public: bool) -> str:
    """What was written, in words."""
    from generate.record_files import is_url
    from pipeline import hub
    from pipeline.remote import check_free, upload

    if out.startswith(hub.PREFIX):
        kind: Literal["model", "dataset"] = "model" if format_name == "model" else "dataset"
        with TemporaryDirectory() as folder:
            words = _written(run, format_name, Path(folder), license_name)
            return f"{words}: {hub.push(Path(folder), out.removeprefix(hub.PREFIX), kind, public=public)}"
    if is_url(out):
        check_free(out)
        with TemporaryDirectory() as folder:
            local = Path(folder, "export")
            words = _written(run, format_name, local, license_name)
            upload(local, out)
    else:
        words = _written(run, format_name, Path(out), license_name)
    return f"{words} written to {out}"


def _written(run: Run, format_name: str, out: Path, license_name: str | None) -> str:
    from constitution.files import write_atomically
    from pipeline import exports

    if format_name == "annotated-pairs":
        pairs = exports.annotated(run)
        write_atomically(out, json.dumps(pairs, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return f"{len(pairs['comparisons'])} pairs"
    out.mkdir(parents=True, exist_ok=True)
    if format_name == "model":
        return exports.model_folder(run, out)
    write = exports.preferences_folder if format_name == "trl" else exports.whole_folder
    return write(run, out, license_name)
