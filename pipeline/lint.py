"""What `preceptor constitution check` warns of, from the constitution, from prompts and from what a run left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constitution.extend import Written
from constitution.files import RecordFile
from constitution.wording import listed, plural
from generate.prompts import load_prompts
from generate.record_files import located
from judge.lint.demands import two_demands
from judge.lint.finding import Finding
from judge.lint.negation import untold, weak_negation
from judge.lint.reach import Prompts, Seen, idle, without_prompts
from judge.lint.similar import near_duplicates
from judge.lint.weights import never_decide
from judge.records import Label
from pipeline.context import Run
from pipeline.opened import opened_run
from pipeline.stage_audit import read_card

NEVER_JUDGED = "it is never judged, and nothing is trained on it"
NEVER_MEASURED = "no held-out prompt shows what became of it"


class Linted(NamedTuple):
    """Warnings in the order of the constitution's text, and what was looked at or could not be."""

    findings: list[Finding]
    notes: list[str]


def lint(
    written: Written, prompts: Sequence[Path], run_file: Path | None, flags: Mapping[str, object], runs: Path
) -> Linted:
    """All warnings. Raises as loading the prompts and the run file does."""
    findings = [*near_duplicates(written), *two_demands(written), *never_decide(written)]
    notes: list[str] = []
    if prompts:
        tags = [prompt.tags for path in prompts for prompt in load_prompts(path)]
        findings += without_prompts(written, Prompts(", ".join(path.name for path in prompts), tags, NEVER_JUDGED))
    if run_file is not None:
        with opened_run(run_file, flags, [], runs, dry=True) as run:
            found = _of_run(written, run)
        findings, notes = findings + found.findings, found.notes
    elif not prompts:
        notes.append("not looked at: whether prompts fall under every principle (--prompts FILE or --run RUN.yaml)")
    files = {file: place for place, file in enumerate(written.files)}
    findings.sort(key=lambda f: (files[f.problem.file], f.problem.line, f.problem.column))
    return Linted(findings, [plural(len(findings), "warning"), *notes])


def _of_run(written: Written, run: Run) -> Linted:
    findings: list[Finding] = []
    notes: list[str] = []
    for prompts in _prompts(run):
        findings += without_prompts(written, prompts)
    card = read_card(run)
    if card is None:
        notes.append(
            f"not looked at: negative phrasing, since {run.folder.audit} is not there: `preceptor audit` makes it"
        )
    else:
        findings += weak_negation(written, card)
        if ids := untold(written, card):
            notes.append(f"the audit card cannot tell whether the judge follows the negative phrasing of {listed(ids)}")
    labelled = _labelled(run, written)
    if labelled:
        findings += idle(written, labelled)
    else:
        notes.append(f"not looked at: who decides labels, since {run.folder.labels} holds none of this constitution")
    return Linted(findings, notes)


def _prompts(run: Run) -> Iterator[Prompts]:
    if run.config.prompts.train is not None:
        train = load_prompts(located(run.base, run.config.prompts.train))
        yield Prompts(run.config.prompts.train, [prompt.tags for prompt in train], NEVER_JUDGED)
    else:
        tags = {pair.prompt.key: pair.prompt.tags for pair in run.imported_pairs}
        yield Prompts(str(run.config.pairs), list(tags.values()), NEVER_JUDGED)
    heldout = load_prompts(located(run.base, run.config.prompts.heldout))
    yield Prompts(run.config.prompts.heldout, [prompt.tags for prompt in heldout], NEVER_MEASURED)


def _labelled(run: Run, written: Written) -> list[Seen]:
    """The run's labels with their prompts; none where they are of another constitution."""
    if not (run.folder.labels.exists() and run.folder.pairs.exists()):
        return []
    labels = {label.pair_key: label for label in RecordFile(run.folder.labels, Label)}
    if any(label.constitution != written.constitution.key for label in labels.values()):
        return []
    return [Seen(labels[pair.key], pair.prompt.key) for pair in run.pairs() if pair.key in labels]
