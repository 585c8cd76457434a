"""`preceptor audit RUN.yaml`: ask the judge what its votes alone cannot tell; exit code 3 if it does not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from judge.audit.card import Card
from pipeline.console import printable
from pipeline.folder import RunFolder
from pipeline.load import load_run
from pipeline.run import run_pipeline

EXIT_NOT_PASSED = 3


def run_audit(path: Path, flags: Mapping[str, object], settings: Sequence[str], runs: Path, dry_run: bool) -> None:
    """Make the card, after the pairs and votes that it lacks; a run file without `audit` gets every probe.

    Raises typer.Exit(3) if the judge did not pass.
    """
    config = load_run(path, flags, settings)
    asking = flags if config.audit is not None else {**flags, "audit": {}}
    run_pipeline(("generate", "judge", "audit"), path, asking, settings, runs, dry_run)
    if dry_run:
        return
    folder = RunFolder(runs / config.name)
    card = Card.model_validate_json(folder.audit.read_text(encoding="utf-8"))
    outcome = "passed" if card.passed else "did not pass"
    typer.echo(printable(f"Judge `{card.about.judge}` {outcome}: {folder.audit_page}"))
    if not card.passed:
        raise typer.Exit(EXIT_NOT_PASSED)
