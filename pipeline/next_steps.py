"""What a run says last: where its results are, what moved most, its warnings, and what to look at next."""

from __future__ import annotations

from constitution.read_json import read_object
from pipeline.context import Run
from pipeline.invoked import command
from pipeline.judged import read_behaviour
from reports.behaviour import BehaviourTable
from reports.summary import feature_sentence, principle_sentence


def next_lines(run: Run) -> list[str]:
    """For a run that has a report."""
    table = read_behaviour(run)
    principle, sentence = most_moved(table)
    warnings = len(read_object(run.folder.training).get("warnings", []))
    lines = [f"report: {run.folder.report}", f"model: {run.folder.policy}", f"moved most: {sentence}"]
    if warnings:
        lines.append(f"warnings: {warnings}, in {run.folder.training} and in the report")
    lines.append(f"talk to both policies: {command(run, 'chat')}")
    if principle is not None and run.folder.recording.exists():
        lines.append(f"who moved it: {command(run, 'trace')} --behaviour {principle}")
    return lines


def most_moved(table: BehaviourTable) -> tuple[str | None, str]:
    """The principle whose win rate is furthest from one half, among those that are seen to have moved, else the
    feature with the smallest p; and that in words."""
    moved = [row for row in table.principles if row.outcome in ("intended", "against") and row.win_rate]
    if moved:
        row = max(moved, key=lambda one: abs(one.win_rate.estimate - 0.5) if one.win_rate else 0.0)
        return row.id, f"{row.id} ({row.verdict}): {principle_sentence(row)}"
    features = [row for row in table.features if row.outcome in ("rose", "fell")]
    if features:
        feature = min(features, key=lambda one: one.p if one.p is not None else 1.0)
        return None, feature_sentence(feature)
    return None, "nothing that could be detected; the report says what would have been"
