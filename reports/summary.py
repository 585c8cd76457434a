"""A run's result in a few lines: what moved, what did not, and what would have been seen."""

from __future__ import annotations

from reports.behaviour import EVEN, BehaviourTable, FeatureRow, PrincipleRow, caution, interval_alone
from reports.data import ReportData
from reports.text import interval_text, number, percent, plural, visible

HEADINGS = {
    "intended": "moved as intended",
    "against": "moved against",
    "undetected": "no detectable effect",
    "unmeasured": "not measured",
}
"""The outcomes of a principle, in the order in which a reader wants them."""


def headline(table: BehaviourTable) -> str:
    """`5 of 7 principles moved as intended, none moved against; for 2 no effect was detected.`"""
    count = {outcome: sum(row.outcome == outcome for row in table.principles) for outcome in HEADINGS}
    words = [
        f"{count['intended'] or 'None'} of {plural(len(table.principles), 'principle')} moved as intended",
        f"{count['against'] or 'none'} moved against",
    ]
    tail = [f"for {count['undetected']} no effect was detected"] if count["undetected"] else []
    tail += [f"{count['unmeasured']} could not be measured"] if count["unmeasured"] else []
    return f"{', '.join(words)}{'; ' if tail else ''}{', '.join(tail)}."


def principle_sentence(row: PrincipleRow) -> str:
    """What is known of one principle, without name or outcome: win rate, interval, n, and what casts doubt on it."""
    if row.win_rate is None:
        return f"{plural(row.failed, 'comparison')} failed, none is left."
    rate = interval_text(row.win_rate, share=True)
    sentence = f"mean probability that the trained model's answer is better: {rate} {_prompts(row.win_rate.n)}."
    return " ".join([sentence, *_doubts(row)])


def _prompts(n: int) -> str:
    return "prompt" if n == 1 else "prompts"


def _doubts(row: PrincipleRow) -> list[str]:
    doubts = []
    if row.outcome == "undetected" and row.detectable is not None:
        doubts.append(f"An effect of at least {percent(row.detectable, 1)} points would have been detected.")
    if row.outcome == "undetected" and row.p_holm is not None and row.win_rate and row.win_rate.excludes(EVEN):
        doubts.append(f"I{interval_alone(row.p_holm, 'principles')[1:]}.")
    if row.failed:
        doubts.append(f"{plural(row.failed, 'comparison')} failed and {'is' if row.failed == 1 else 'are'} left out.")
    if row.win_rate is not None and row.win_rate.note:
        doubts.append(f"Note: {row.win_rate.note}.")
    return doubts


def feature_sentence(row: FeatureRow) -> str:
    """`Words: 45.1 before, 38.0 after, difference −7.1 [−10.2, −4.0], n = 60`."""
    show, unit = (percent, " %") if row.kind == "share" else (number, "")
    difference = interval_text(row.difference, share=row.kind == "share", signed=True)
    return f"{row.label}: {show(row.before, 1)}{unit} before, {show(row.after, 1)}{unit} after, difference {difference}"


def summary_lines(data: ReportData) -> list[str]:
    """Plain text for a terminal, free of control characters; intervals are over prompts."""
    table = data.behaviour
    lines = [headline(table)]
    for outcome in HEADINGS:
        rows = [row for row in table.principles if row.outcome == outcome]
        lines += [f"  {row.id}: {HEADINGS[outcome]}, {principle_sentence(row)}" for row in rows]
    changed = [row for row in table.features if row.outcome in ("rose", "fell")]
    lines += [f"  {feature_sentence(row)}" for row in changed]
    if len(changed) < len(table.features):
        still = ", ".join(row.label.lower() for row in table.features if row not in changed)
        lines.append(f"  No detectable change in: {still}.")
    lines.append(f"{100 * table.level:g} % intervals over {plural(table.prompts, 'held-out prompt')}.")
    lines += [doubt] if (doubt := caution(table)) else []
    lines += [f"Note: {note}" for note in data.notes]
    return [visible(line).replace("\n", " ") for line in lines]
