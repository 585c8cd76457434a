"""Judges compared: the lines for a terminal, and one HTML page. The data are judge/comparison.py's."""

from __future__ import annotations

from constitution.model import Constitution
from judge.agreement import verdict_on
from judge.comparison import Comparison, Couple, Flips, Side
from reports.page import page_environment, page_frame
from reports.text import number, percent, plural


def comparison_lines(comparison: Comparison) -> list[str]:
    """What came out, in a few plain lines."""
    lines = [cost_sentence(side) for side in comparison.judges]
    for couple in comparison.couples:
        lines += [flip_sentence(couple)]
        lines += [f"  {row.principle}: {verdict_on(row, couple.first, couple.second)}" for row in couple.principles]
    return lines


def cost_sentence(side: Side) -> str:
    """`small: 48 votes (40 asked now), 350 + 0 tokens and 0.21 s a vote, 2 failed; 12 pairs labelled`."""
    cost = side.cost
    seconds = "time never measured" if cost.seconds is None else f"{cost.seconds:.3g} s a vote"
    return (
        f"{side.name}: {plural(cost.votes, 'vote')} ({cost.asked} asked now), {number(cost.tokens_in, 0)} + "
        f"{number(cost.tokens_out, 0)} tokens a vote, {seconds}, {cost.failed} failed; "
        f"{plural(side.labelled, 'pair')} labelled"
    )


def flip_sentence(couple: Couple) -> str:
    """How many labels would take the other side, with the interval, and by which principles."""
    flips = couple.flips
    if flips.share.value is None:
        return f"{couple.first} -> {couple.second}: no pair has a label by both judges"
    return (
        f"{couple.first} -> {couple.second}: {flips.share.hits} of {plural(flips.share.n, 'label')} would flip, "
        f"{percent(flips.share.value)} % [{percent(flips.share.low)}, {percent(flips.share.high)}]{_blamed(flips)}"
    )


def _blamed(flips: Flips) -> str:
    rows = ", ".join(f"{principle} {count}" for principle, count in flips.by_principle.items())
    return f"; moved furthest by: {rows}" if rows else ""


def comparison_page(name: str, constitution: Constitution, comparison: Comparison) -> str:
    """The whole page. The same data give the same bytes."""
    templates = page_environment()
    templates.filters |= {"flip_sentence": flip_sentence}
    template = templates.get_template("comparison.html.j2")
    return template.render(name=name, constitution=constitution, comparison=comparison, **page_frame())
