"""The command line in a process that is forked from one which has imported what takes long.

Importing torch, transformers and peft costs some seconds of processor time, and the tests call the command some hundred
times. What runs is the same: a process of its own, with its own files, signals, exit code and modules of this project.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

PRELOADED = ["torch", "peft", "transformers.models.llama", "pyarrow.parquet", "scipy.stats", "openai", "datasets"]
READ_AT_IMPORT = re.compile(
    r"(HF_|HUGGINGFACE_|TRANSFORMERS_|TORCH|PYTORCH|OMP_|MKL_|KMP_|XDG_|PYTHON|LD_|HOME$|TMPDIR$).*"
)
_STARTED_WITH = dict(os.environ)
OF_ALL = {
    "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
    "COLUMNS": "200",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "HF_HUB_OFFLINE": "1",
}
"""The packages of this checkout, wherever the command is started, and English plain output."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Libraries read some variables when they are imported: with others than those of the start, they must be imported
    anew. Where torch may use more threads than one (tests that run alone), a fork of it is not safe."""
    changed = {name for name, _ in (_STARTED_WITH | OF_ALL).items() ^ environment.items()}
    return environment.get("OMP_NUM_THREADS") == "1" and not any(READ_AT_IMPORT.match(name) for name in changed)


def run_forked(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """`python -m pipeline.cli ARGUMENTS` to its end. Raises subprocess.TimeoutExpired."""
    _start(environment)
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said, "out"), Path(said, "err")
        process = multiprocessing.get_context("forkserver").Process(
            target=_command, args=(arguments, cwd, dict(environment), out, err)
        )
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(
            list(arguments), process.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
        )


def _start(environment: Mapping[str, str]) -> None:
    """The process to fork from, with the variables that the command is to find."""
    own = dict(os.environ)
    os.environ.update(environment)
    try:
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(own)


def _command(arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    for path, descriptor in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.argv = ["preceptor", *arguments]
    runpy.run_module("pipeline.cli", run_name="__main__", alter_sys=True)
