"""Stage `trace`: from the recording to the report's threads. Writes 65-trace.json: who moved every behaviour, what
leaving each principle out is predicted to do, and who taught the answers that training made likelier most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from constitution.errors import DataError
from constitution.files import write_atomically
from constitution.identity import digest, file_digest
from constitution.wording import plural
from pipeline.context import Run
from pipeline.stage import Stage
from pipeline.used import settings_of
from reports.dial import two_axes
from reports.settings import ThreadSettings
from reports.trace.records import AnswerMoved, Frontier, Moved, PairPart, TracedPair, TraceReport, Without
from reports.trace.words import frontier_lines

if TYPE_CHECKING:
    from pipeline.tracing import Opened
    from reports.trace.whatif import Missed

TESTED = "p-values of parts, changes and predictions"
"""A trace that was left without them is made again."""


def _inputs(run: Run) -> dict[str, str]:
    folder = run.folder
    found = {
        "labels": file_digest(folder.labels),
        "training": file_digest(folder.training),
        "answers": file_digest(folder.comparisons),
        "recording": _recording(run),
        "trace settings": digest("trace", **_settings(run).model_dump()),
        "what is tested": TESTED,
    }
    return found | ({"ablation": file_digest(folder.ablation)} if folder.ablation.exists() else {})


def _recording(run: Run) -> str:
    """Its settings are no part of what determines the policy, so the training's digest does not have them."""
    settings = run.config.train.trace
    kept = settings.model_dump() if settings else None
    return digest("recording", there=run.folder.recording.exists(), settings=kept)


def _settings(run: Run) -> ThreadSettings:
    return run.config.trace or ThreadSettings()


def _execute(run: Run) -> list[str]:
    run.close_engines()
    try:
        found = trace_report(run)
    except DataError as error:
        found = TraceReport(reason=str(error).removeprefix(f"{run.folder.root}/"))
    write_atomically(run.folder.trace, found.model_dump_json(indent=2) + "\n")
    return summary_lines(found)


def trace_report(run: Run) -> TraceReport:
    """Raises DataError where the run cannot be traced."""
    from pipeline.trace_fidelity import measured_fidelity, missed
    from pipeline.trace_moved import NOT_ADDITIVE, additive, behaviours_moved, told_of
    from pipeline.tracing import opened_trace

    opened = opened_trace(run)
    residuals = missed(run, opened)
    parts = additive(opened)
    behaviours = behaviours_moved(run, opened, told_of(opened)) if parts else {}
    taught, candidates = taught_answers(run, opened, _settings(run)) if parts and _settings(run).answers else ([], 0)
    frontier, no_frontier = _frontier(run, opened, residuals)
    named = {part.pair for moved in [*behaviours.values(), *(one.moved for one in taught)] for part in listed(moved)}
    return TraceReport(
        no_parts=None if parts else NOT_ADDITIVE,
        pairs=len(opened.recorded.head.pairs),
        heldout=len(opened.heldout.keys),
        behaviours={p.id: behaviours[p.id] for p in run.constitution.principles if p.id in behaviours},
        without=tuple(_without(run, opened, residuals)),
        fidelity=measured_fidelity(run, opened, residuals),
        frontier=frontier,
        no_frontier=no_frontier,
        candidates=candidates,
        answers=tuple(taught),
        shown=_shown(opened, named),
    )


def _frontier(run: Run, opened: Opened, residuals: Missed) -> tuple[Frontier | None, str | None]:
    """The frontier that the run file asks for, or why there is none: the rest of the trace does not need it."""
    from pipeline.frontier import dial_frontier

    axes = _settings(run).dial
    if not axes:
        return None, None
    try:
        return dial_frontier(run, opened, residuals, *two_axes(axes)), None
    except DataError as error:
        return None, str(error)


def listed(moved: Moved) -> tuple[PairPart, ...]:
    """The pairs that it names."""
    return (*moved.raised, *moved.lowered)


def _without(run: Run, opened: Opened, residuals: Missed) -> Iterator[Without]:
    """The prediction for every principle left out; none where nothing would be left."""
    from pipeline.edited import reweighted
    from pipeline.tracing import weighted
    from pipeline.whatif import rerun
    from reports.trace.whatif import predict

    weights = {principle.id: principle.weight for principle in run.constitution.principles}
    for gone in weights:
        left = {i: weight for i, weight in weights.items() if i != gone}
        if any(left.values()):
            found = rerun(run, opened, reweighted(opened, weighted(run.constitution, left)), residuals)
            yield Without(
                principle=gone,
                corrected=gone in residuals.by_principle,
                changed=found.changed.changed,
                flipped=found.changed.flipped,
                vanished=found.changed.vanished,
                behaviours=tuple(predict(opened.heldout, found.margins_J, run.config.seed)),
            )


def taught_answers(run: Run, opened: Opened, settings: ThreadSettings) -> tuple[list[AnswerMoved], int]:
    """The first answers to the held-out prompts whose log-probability a token rose most, and of how many."""
    from pipeline.stage_behaviour import read_comparisons
    from pipeline.trace_moved import answers_moved
    from pipeline.tracing import answers_along
    from pipeline.tracing_answers import as_single
    from pipeline.trained_session import trained_session

    rows = {row.prompt.key: row for row in reversed(read_comparisons(run)) if row.after.text}
    singles = [as_single(key, rows[key]) for key in sorted(rows)[: settings.candidates]]
    session, kept = trained_session(run, opened.found), opened.recorded.kept
    tokens, ends = answers_along(run, opened, singles, [kept[0], kept[-1]], session, "drop")
    gained = (ends.found[-1].h_B - ends.found[0].h_B).tolist()
    ranked = sorted(
        zip(gained, tokens.pairs, strict=True),
        key=lambda found: (-found[0] / rows[found[1].pair.key].after.tokens, found[1].pair.key),
    )
    most = [as_single(tokens.pair.key, rows[tokens.pair.key]) for _, tokens in ranked[: settings.answers]]
    if not most:
        return [], len(ranked)
    followed, seen = answers_along(run, opened, most, kept, session)
    chosen = [rows[one.pair.key] for one in followed.pairs]
    moved = answers_moved(opened, seen, [f"log-probability of an answer to {row.prompt.id} (nats)" for row in chosen])
    return [
        AnswerMoved(conversation=row.prompt.conversation, text=row.after.text, tokens=row.after.tokens, moved=one)
        for row, one in zip(chosen, moved, strict=True)
    ], len(ranked)


def _shown(opened: Opened, keys: set[str]) -> dict[str, TracedPair]:
    found = {}
    for pair in opened.found.pairs:
        if pair.key in keys:
            preferred, other = (pair.a, pair.b) if pair.p >= 0.5 else (pair.b, pair.a)
            found[pair.key] = TracedPair(
                conversation=pair.conversation, preferred=preferred, other=other, p=max(pair.p, 1 - pair.p)
            )
    return found


def summary_lines(found: TraceReport) -> list[str]:
    """What came out, for the terminal."""
    from reports.trace.page import moved_sentences, trace_rows

    if found.reason:
        return [f"no trace: {found.reason}"]
    traced = f"{plural(len(found.behaviours), 'behaviour')} and {plural(len(found.answers), 'answer')}"
    lines = [f"{traced} traced to {plural(found.pairs, 'pair')}"]
    if found.no_parts:
        lines.append(found.no_parts)
    if found.frontier:
        lines += frontier_lines(found.frontier)
    if found.no_frontier:
        lines.append(f"no frontier along the dial: {found.no_frontier}")
    if found.behaviours:
        worst = max(moved.completeness_error for moved in found.behaviours.values())
        lines += moved_sentences(found, trace_rows(found))
        lines.append(f"the parts add up to each change, off by at most {100 * worst:.1f} % of it")
    return lines


TRACE = Stage(
    name="trace",
    needs=("label", "train", "behaviour"),
    inputs=_inputs,
    uses=lambda config: settings_of(config, "trace", "seed"),
    outputs=lambda folder: [folder.trace],
    execute=_execute,
    preview=lambda run: ["who moved every behaviour, and what leaving each principle out is predicted to do"],
)
