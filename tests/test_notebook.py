"""examples/first-run/first-run.ipynb: executed cell by cell on the real small model, and kept without outputs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from generate.engine import ModelRef
from tests.runs import environment

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "first-run"
NOTEBOOK = FOLDER / "first-run.ipynb"


def test_it_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def text_of(cell: nbformat.NotebookNode) -> str:
    """What a cell printed and what it ends with."""
    streams = [output.text for output in cell.outputs if output.output_type == "stream"]
    values = [output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "execute_result"]
    return "".join(streams + values)


@pytest.mark.real_model
@pytest.mark.slow
def test_it_runs_from_its_first_cell_to_its_last(
    bundled_model: ModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDER, tmp_path / "first-run")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "preceptor"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path / "first-run")}})
    client.execute()
    said = {cell.source: text_of(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "report: runs/first-run/90-report.html" in said["!preceptor run run.yaml"]
    assert "train: nothing to do" in said["!preceptor run run.yaml --dry-run"]
    for words in ("labelled", "short-answer", "assistant"):
        assert any(words in text for text in said.values()), words
    whatif = said["!preceptor whatif run.yaml --drop short-answer"]
    assert "short-answer" in whatif
    assert "Traceback" not in "".join(said.values())
