"""A comparison of runs for a terminal, and the sentences of its page."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import JsonValue

from constitution.diff import diff_lines
from judge.agreement import Rate
from reports.compare.records import BehaviourRow, Couple, LabelsCompared, RunsCompared, RunShown
from reports.statistics import Interval, few_prompts
from reports.text import interval_text, percent, plural, visible

LONGEST_VALUE = 60
HEADINGS = {
    "higher": "higher",
    "lower": "lower",
    "undetected": "no detectable difference",
    "unmeasured": "not measured",
}


def comparison_lines(found: RunsCompared) -> list[str]:
    """All of it, free of control characters."""
    lines = [run_line(run) for run in found.runs]
    lines += ["", "what differs in what they were made from:", *(f"  {line}" for line in _setting_lines(found))]
    for couple in found.couples:
        lines += ["", *_couple_lines(couple)]
    lines.append("")
    lines.append(how_measured(found))
    lines += [few] if (few := caution(found)) else []
    return [visible(line) for line in lines]


def run_line(run: RunShown) -> str:
    """`tiny (runs/tiny): constitution plain, 12 labels, 5 held-out prompts`, and what is missing."""
    words = [f"constitution {run.constitution}"]
    words.append("no labels yet" if run.labelled is None else f"{plural(run.labelled, 'labelled pair')}")
    words.append("behaviour not measured" if run.prompts is None else plural(run.prompts, "held-out prompt"))
    return f"{run.name} ({run.folder}): {', '.join(words)}{''.join(f'; {note}' for note in run.notes)}"


def _setting_lines(found: RunsCompared) -> Iterator[str]:
    if not found.settings:
        yield "nothing but what is said of the constitutions"
    for setting in found.settings:
        values = " | ".join(value_text(value) for value in setting.values)
        yield f"{'' if setting.group == 'settings' else setting.group + ': '}{setting.name}: {values}"


def value_text(value: JsonValue) -> str:
    """A setting's value on one line, cut where it is long; – for none."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _couple_lines(couple: Couple) -> Iterator[str]:
    yield f"{couple.first} -> {couple.other}"
    yield from (f"  note: {note}" for note in couple.notes)
    yield "  constitution:"
    yield from (f"    {line}" for line in diff_lines(couple.constitution))
    if couple.labels:
        yield "  labels:"
        yield from (f"    {line}" for line in label_lines(couple.labels))
    if couple.behaviours:
        yield f"  behaviour: {headline(couple)}"
        yield from (f"    {row.label}: {row_sentence(row)}" for row in ranked(couple) if not is_still(row))
        yield from _still_lines(couple)
    yield from (f"  not compared: {one.what}: {one.why}" for one in couple.left_out)


def is_still(row: BehaviourRow) -> bool:
    """Whether both runs changed it by the same on every prompt."""
    return row.difference is not None and row.difference.low == row.difference.high == 0


def _still_lines(couple: Couple) -> Iterator[str]:
    """One line for each number of prompts."""
    still = [(row.difference.n, row.label) for row in couple.behaviours if row.difference is not None and is_still(row)]
    for n in dict.fromkeys(n for n, _ in still):
        labels = ", ".join(label for count, label in still if count == n)
        yield (
            f"    the same change on every prompt in both runs, n = {n} (so no detectable size can be stated): {labels}"
        )


def headline(couple: Couple) -> str:
    """`2 of 10 behaviours differ: ...`; or that none was seen to."""
    rows = [row for row in couple.behaviours if row.outcome != "unmeasured"]
    moved = [row for row in rows if row.outcome in ("higher", "lower")]
    if not rows:
        return "nothing could be compared"
    if not moved:
        return f"no detectable difference in {plural(len(rows), 'behaviour')}"
    told = ", ".join(f"{row.label} {row.outcome}" for row in moved)
    return f"{len(moved)} of {plural(len(rows), 'behaviour')} differ in {couple.other}: {told}"


def ranked(couple: Couple) -> list[BehaviourRow]:
    """What differs first, by its p; then the rest in the table's order."""
    order = list(HEADINGS)
    return sorted(
        couple.behaviours,
        key=lambda row: (
            max(0, order.index(row.outcome) - 1),
            row.p_holm or 0.0 if row.outcome in ("higher", "lower") else 0.0,
        ),
    )


def row_sentence(row: BehaviourRow) -> str:
    """`higher, +12.0 points [4.0, 20.1], n = 48 (changes: +2.0 and +14.0)`; what n is, is said once below."""
    if row.difference is None:
        return row.verdict
    found = interval_text(row.difference, share=row.scale == "share", digits=digits(row), signed=True)
    changes = f"changes {change_text(row, row.first)} and {change_text(row, row.other)}"
    word = row.verdict if row.outcome in ("undetected", "unmeasured") else row.outcome
    return f"{word}; {found} ({changes}{'' if row.p_holm is None else f', p = {row.p_holm:.2g} after Holm'})"


def digits(row: BehaviourRow) -> int:
    """After the point: one for points, two for numbers."""
    return 1 if row.scale == "share" else 2


def change_text(row: BehaviourRow, found: Interval | None) -> str:
    """`+12.6 points [9.1, 16.0]`: a change in one run; its n is the difference's."""
    if found is None:
        return "–"
    return interval_text(found, share=row.scale == "share", digits=digits(row), signed=True).rpartition(", n = ")[0]


def label_lines(found: LabelsCompared) -> list[str]:
    """How many pairs are shared, what became of their labels, and whose opinions differ."""
    pairs = f"{plural(found.shared, 'pair')} in both runs, of {found.first_pairs} and {found.other_pairs}"
    if not found.shared:
        return [f"{pairs}: the answers were sampled differently, so no label can be compared"]
    lines = [pairs, judged_sentence(found), trained_sentence(found), both_sentence(found)]
    for one in found.principles:
        why = " (reworded)" if one.reworded else ""
        lines.append(f"{one.principle}{why}: {flips_text(one.flips)} of its opinions take the other side")
    return lines


def judged_sentence(found: LabelsCompared) -> str:
    """What becomes of the labels of all shared pairs, selected or not."""
    if found.judged is None:
        return "labels of all of them: not known, for they are of another constitution than their run's"
    j = found.judged
    kinds = [(j.same, "the same", "the same"), (j.flips, "flips", "flip")]
    kinds += [(j.appears, "appears", "appear"), (j.vanishes, "vanishes", "vanish")]
    told = (f"{rate.hits:,} {one if rate.hits == 1 else many} ({share_text(rate)})" for rate, one, many in kinds)
    return f"labels of all of them, selected or not (n = {plural(j.same.n, 'pair')}): {', '.join(told)}"


def trained_sentence(found: LabelsCompared) -> str:
    """On how many prompts the runs train on other pairs."""
    t = found.trained
    return (
        f"pairs to train on (n = {plural(t.prompts, 'prompt')}): {t.other:,} of {plural(t.prompts, 'prompt')} "
        f"{'trains' if t.other == 1 else 'train'} on other pairs, {t.turned:,} on the same with another answer "
        f"preferred, {t.same:,} on the same"
    )


def both_sentence(found: LabelsCompared) -> str:
    """How many labels turn among the pairs that both runs train on, and how many pairs only one of them does."""
    only = f"{plural(found.only_first, 'pair')} in the first run alone, {found.only_other:,} in the other alone"
    return f"of the pairs that both train on, {flips_text(found.flips)} turn to the other answer; {only}"


def share_text(found: Rate) -> str:
    """`88.9 % [80.1, 94.2]`; the interval is over prompts."""
    return f"{percent(found.value, 1)} % [{percent(found.low, 1)}, {percent(found.high, 1)}]"


def flips_text(found: Rate) -> str:
    """`3 of 40, 7.5 % [2.0, 18.3]`; the interval is over prompts."""
    if found.value is None:
        return "0 of 0"
    return f"{found.hits} of {found.n}, {share_text(found)}"


def how_measured(found: RunsCompared) -> str:
    """What the figures are."""
    return (
        f"A change is what training did in a run (of a win rate, the judge's mean probability that the trained "
        f"policy's answer is the better one and no count of wins, its distance from 50 %); a difference is the other "
        f"run's change less the first's, paired by prompt. {100 * found.level:g} % bootstrap intervals over the "
        f"held-out prompts that both runs have; n counts prompts. p is adjusted for all "
        f"{plural(found.tested, 'row')} (Holm). One training each: another seed would give other figures."
    )


def caution(found: RunsCompared) -> str:
    """What few prompts do to the intervals; empty where there are enough."""
    return few_prompts(row.difference.n for one in found.couples for row in one.behaviours if row.difference)
