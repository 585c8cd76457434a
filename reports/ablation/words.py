"""The report in sentences, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence

from reports.ablation.effects import Effect
from reports.ablation.records import AblationReport, Behaviour, Cell
from reports.text import number, plural


def effect_text(effect: Effect) -> str:
    """`+0.31 [0.10, 0.52], n = 20 of 16 prompts, 3 seeds`; n are pairs, or sampled answers."""
    ends = "(no interval)" if effect.low is None or effect.high is None else _ends(effect)
    counts = f"n = {effect.pairs} of {plural(effect.prompts, 'prompt')}, {plural(effect.seeds, 'seed')}"
    return f"{number(effect.estimate, 3, signed=True)} {ends}, {counts}"


def _ends(effect: Effect) -> str:
    return f"[{number(effect.low, 3)}, {number(effect.high, 3)}]"


def found_cells(report: AblationReport) -> list[Cell]:
    """The cells with a detected effect, smallest p-value first."""
    cells = [cell for cell in report.cells if cell.outcome in ("raises", "lowers")]
    return sorted(cells, key=lambda cell: (cell.effect.p_holm or 0.0, cell.effect.p or 0.0, cell.behaviour))


def cell_sentence(cell: Cell, behaviours: Sequence[Behaviour]) -> str:
    """What the principles do to one behaviour."""
    label = next(behaviour.label for behaviour in behaviours if behaviour.id == cell.behaviour)
    subject, verb = " and ".join(cell.left_out), cell.outcome if len(cell.left_out) == 1 else cell.outcome[:-1]
    if cell.outcome in ("raises", "lowers"):
        return f"{subject} {verb} the {label} by {effect_text(cell.effect)}"
    return f"{subject}, {label}: {cell.verdict} ({effect_text(cell.effect)})"


def headline(report: AblationReport) -> str:
    """The page's first sentence."""
    found, tested = found_cells(report), len(report.cells)
    principles = {i for cell in found for i in cell.left_out}
    runs = f"{plural(report.retrainings, 'retraining')}, {plural(len(report.seeds), 'seed')}"
    of = plural(tested, "effect tested", "effects tested")
    if not found:
        return f"Leaving a principle out changed nothing that could be detected: {runs}, {of}."
    have = (
        f"{len(principles)} of {plural(len(report.principles), 'principle')} "
        f"{'has' if len(principles) == 1 else 'have'} an effect that was found"
    )
    return f"{have}: {len(found)} of {of}, {runs}."


def summary_lines(report: AblationReport) -> list[str]:
    """What came out, for a terminal."""
    lines = [headline(report)]
    lines += [cell_sentence(cell, report.behaviours) for cell in found_cells(report)]
    undetected = sum(cell.outcome == "undetected" for cell in report.cells)
    if undetected:
        lines.append(f"no detectable effect: {undetected} of {len(report.cells)}; the page says what would have been")
    lines += [control_sentence(report, kind) for kind in ("sham", "duplicate")]
    lines += [f"{one.first}, {one.second}: {one.verdict}" for one in report.redundancy if one.hidden]
    lines.append(reproduced_sentence(report))
    return lines + [f"note: {note}" for note in report.notes]


def control_sentence(report: AblationReport, kind: str) -> str:
    """The verdict on one planted principle."""
    found = next((control for control in report.controls if control.kind == kind), None)
    if found is None:
        return f"{kind}: not planted"
    passed = {True: "passed", False: "NOT passed", None: "not asked"}[found.passed]
    figures = "; ".join(f"{name}: {effect_text(effect)}" for name, effect in found.effects.items())
    return f"{kind} of {found.of}: {passed}: {found.verdict}{f' ({figures})' if figures else ''}"


def reproduced_sentence(report: AblationReport) -> str:
    """Whether the machinery gives the real run back."""
    found = report.reproduced
    if found.same is None:
        return "the run's own labels, trained again: not compared, as the run holds no pairs out"
    again, run = number(found.margin_again, 6), number(found.margin_of_run, 6)
    if found.same:
        return f"the run's own labels, trained again, give the run's own held-out margin: {again}"
    return (
        f"the run's own labels, trained again, give a held-out margin of {again}, the run has {run}: another machine, "
        "number of threads or version; the effects compare retrainings with each other and stand"
    )
