"""What `preceptor constitution check` warns of, from the constitution, from prompts and from what a run left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from constitution.errors import ConfigError, PreceptorError
from constitution.extend import Written
from constitution.files import RecordFile
from constitution.wording import listed, plural
from generate.prompts import load_prompts
from generate.record_files import located
from generate.records import Pair
from judge.ask import PairVotes, stored_votes
from judge.by_rules import JudgeByRules
from judge.interface import Ask, Judge
from judge.labels import label_pair
from judge.lint.decided import awaited, few_labels, undecided
from judge.lint.demands import two_demands
from judge.lint.finding import Finding
from judge.lint.negation import negative_word, reads_text, untold, weak_negation
from judge.lint.patterns import senseless_checks
from judge.lint.reach import Prompts, Seen, idle, without_prompts
from judge.lint.similar import near_duplicates
from judge.lint.weights import never_decide
from judge.panel import turns
from judge.records import Label
from pipeline.context import Run
from pipeline.opened import opened_run
from pipeline.stage_audit import own_pairs, read_card

NEVER_JUDGED = "it is never judged, and nothing is trained on it"
NEVER_MEASURED = "no held-out prompt shows what became of it"


class Linted(NamedTuple):
    """Warnings in the order of the constitution's text, and what was looked at or could not be."""

    findings: list[Finding]
    notes: list[str]


def lint(
    written: Written,
    prompts: Sequence[Path],
    run_file: Path | None,
    flags: Mapping[str, object],
    runs: Path,
    settings: Sequence[str] = (),
) -> Linted:
    """All warnings. Raises as loading the prompts and the run file does."""
    findings = [*near_duplicates(written), *two_demands(written), *never_decide(written), *senseless_checks(written)]
    notes: list[str] = []
    if prompts:
        tags = [prompt.tags for path in prompts for prompt in load_prompts(path)]
        findings += without_prompts(written, Prompts(", ".join(path.name for path in prompts), tags, NEVER_JUDGED))
    if run_file is not None:
        with opened_run(run_file, flags, settings, runs, dry=True) as run:
            found = _of_run(written, run)
        findings, notes = findings + found.findings, found.notes
    elif not prompts:
        notes.append("not looked at: whether prompts fall under every principle (--prompts FILE or --run RUN.yaml)")
    files = {file: place for place, file in enumerate(written.files)}
    findings.sort(key=lambda f: (files[f.problem.file], f.problem.line, f.problem.column))
    return Linted(findings, [plural(len(findings), "warning"), *notes])


def _of_run(written: Written, run: Run) -> Linted:
    findings: list[Finding] = []
    for prompts in _prompts(run):
        findings += without_prompts(written, prompts)
    parts = (_phrasing(written, run), _decisions(written, run), _idleness(written, run))
    return Linted(findings + [f for part in parts for f in part.findings], [n for part in parts for n in part.notes])


def _phrasing(written: Written, run: Run) -> Linted:
    """What the card says of negative phrasing; nothing where no judge reads any."""
    card = read_card(run)
    if card is not None:
        ids = untold(written, card)
        said = f"the audit card cannot tell whether the judge follows the negative phrasing of {listed(ids)}"
        return Linted(list(weak_negation(written, card)), [said] if ids else [])
    said = f"not looked at: negative phrasing, since {run.folder.audit} is not there: `preceptor audit` makes it"
    return Linted([], [said] if _negative_before_a_reader(written, run) else [])


def _negative_before_a_reader(written: Written, run: Run) -> bool:
    config = run.config
    names = {
        config.sources.get(p.source or "", config.judge) for p in written.constitution.principles if negative_word(p)
    }
    return reads_text(config.judges[name].kind for name in names)


def _decisions(written: Written, run: Run) -> Linted:
    """What this constitution makes of the run's pairs, from the votes that are there and what rules say."""
    if not run.folder.pairs.exists():
        return Linted([], [f"not looked at: what is undecided, since {run.folder.pairs} is not there"])
    try:
        seen = list(_labelled_anew(written, run))
    except PreceptorError as error:
        return Linted([], [f"not looked at: what is undecided, since {str(error).splitlines()[0]}"])
    findings = [*undecided(written, seen), *few_labels(written, [s.label for s in seen])]
    waiting = sum(awaited(s.label) for s in seen)
    missing = f"votes are still to be asked on {waiting} of {len(seen)} pairs, which count only where they are there"
    return Linted(findings, [missing] if waiting else [])


def _labelled_anew(written: Written, run: Run) -> Iterator[Seen]:
    """The run's pairs (of very many, a sample) with their labels, before `best_worst` selects. Asks no model."""
    config = run.config.model_copy(update={"constitution": str(Path(written.files[0]).resolve())})
    law = replace(run, config=config)
    judge = law.judge(config.judge)
    with law.vote_store() as store:
        for pair, stored in stored_votes(own_pairs(law), law.constitution, judge, store):
            votes = {**stored, **_by_rules(pair, law, judge)}
            yield Seen(label_pair(pair, votes, law.constitution, judge, law.calibration), pair.prompt.key)


def _by_rules(pair: Pair, law: Run, judge: Judge) -> PairVotes:
    """The votes on a pair that cost nothing."""
    free = [turn for turn in turns(judge, law.constitution) if isinstance(turn.judge, JudgeByRules)]
    applying = [(turn.judge, p) for turn in free for p in turn.principles if p.applies_to(pair.prompt.tags)]
    return {
        p.id: tuple(rules.vote([Ask(rules.request(pair, p, showing), pair, p) for showing in rules.showings(p)]))
        for rules, p in applying
    }


def _idleness(written: Written, run: Run) -> Linted:
    try:
        labelled = _labelled(run, written)
    except ConfigError as error:
        damage = f"{error.problems[0]}\n    remove {run.folder.labels}, and `preceptor label` makes it again"
        return Linted([], [f"not looked at: who decides labels, since it is damaged: {damage}"])
    if labelled:
        return Linted(list(idle(written, labelled)), [])
    said = f"not looked at: who decides labels, since {run.folder.labels} holds none of this constitution"
    return Linted([], [said])


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
