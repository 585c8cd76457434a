"""A principle's trace as lines for a terminal."""

from __future__ import annotations

from reports.conflict_words import conflict_sentence, decided_sentence
from reports.principle_trace import PERIODS, HeldOut, ListedPair, PrincipleTrace, Pull
from reports.summary import HEADINGS, principle_sentence
from reports.text import indented, number, percent, plural, shorten

PAIRS_SHOWN = 10
POINTS_SHOWN = 8
KEY_SHOWN = 12
QUESTION_SHOWN = 70


def principle_lines(trace: PrincipleTrace) -> list[str]:
    """The whole thread; the JSON has every pair and every step."""
    return [
        *_about(trace),
        *_labels(trace),
        *_conflicts(trace),
        *_training(trace),
        *_behaviour(trace),
    ]


def _about(trace: PrincipleTrace) -> list[str]:
    principle = trace.principle
    scope = f"prompts tagged {', '.join(principle.scope)}" if principle.scope else "every prompt"
    against = "against: " if principle.polarity == "against" else ""
    return [
        f"{principle.id}: weight {principle.weight:g}, {percent(trace.weight_share)} % of all; axis {principle.axis}; "
        f"{scope}",
        indented(against + principle.text, 4),
    ]


def _labels(trace: PrincipleTrace) -> list[str]:
    missing = "".join(f"; {count} without one: {why}" for why, count in trace.missing.items())
    lines = [
        "Labels",
        f"  an opinion on {plural(trace.decided.voted, 'judged pair')}{missing}",
        f"  {decided_sentence(trace.decided)}",
    ]
    lines += [f"  {pair_line(row)}" for row in trace.pairs[:PAIRS_SHOWN]]
    if len(trace.pairs) > PAIRS_SHOWN:
        lines.append(f"  and {len(trace.pairs) - PAIRS_SHOWN} more, on which its part is smaller (--json has them)")
    return lines


def pair_line(row: ListedPair) -> str:
    """`3fa9c2d17b01  flips: p 0.71 with it, 0.38 without; its part +0.33  How do I...`."""
    question = shorten(" ".join(row.question.split()), QUESTION_SHOWN)
    part = number(row.part, 2, signed=True)
    return (
        f"{row.pair[:KEY_SHOWN]}  {row.change}: p {number(row.p, 2)} with it, {number(row.without, 2)} without; "
        f"its part {part}  {question}"
    )


def _conflicts(trace: PrincipleTrace) -> list[str]:
    own = trace.principle.id
    named = [(row.second if row.first == own else row.first, row) for row in trace.conflicts]
    return ["Against the others", *(f"  {other}: {conflict_sentence(row)}" for other, row in named)]


def _training(trace: PrincipleTrace) -> list[str]:
    lines = ["Training (one run, so there is no interval)"]
    if not trace.pull and not trace.heldout:
        return [*lines, "  no metrics of it: not trained yet, or it voted on no pair that was trained on"]
    lines.append(f"  {pull_sentence(trace.pull, list(trace.pull_by_period))}")
    return [*lines, *(f"  {held_out_sentence(row)}" for row in _thinned(list(trace.heldout)))]


def pull_sentence(pull: Pull | None, periods: list[Pull]) -> str:
    """Its part of the updates, over the whole training and over its parts."""
    if pull is None:
        return "its part of the updates is not known: the loss or the rule does not split into the principles' parts"
    shares = ", ".join(percent(period.share) for period in periods)
    voted = "" if pull.voted is None else f", it voted in {pull.voted:,} of them"
    return (
        f"its part of the updates: {percent(pull.share, 1)} % of the sum of |dL/dh| over steps {pull.first_step} to "
        f"{pull.last_step} (n = {plural(pull.updates, 'update')} by a pair, each pair once an epoch{voted}); "
        f"{'by quarter' if len(periods) == PERIODS else 'over the steps'} {shares} %"
    )


def held_out_sentence(row: HeldOut) -> str:
    """One measurement on held-out pairs."""
    margin = f"held out after step {row.step}: margin {number(row.margin, 3, signed=True)}, n = {row.n}"
    if row.accuracy is None:
        return margin
    right = f"{round(2 * row.accuracy * row.decided) / 2:g} of {row.decided}"
    return f"{margin}; of those that it decides, {right} its way ({percent(row.accuracy)} %)"


def _thinned(rows: list[HeldOut]) -> list[HeldOut]:
    """At most POINTS_SHOWN, evenly spread, the first and the last among them."""
    if len(rows) <= POINTS_SHOWN:
        return rows
    return [rows[round(i * (len(rows) - 1) / (POINTS_SHOWN - 1))] for i in range(POINTS_SHOWN)]


def _behaviour(trace: PrincipleTrace) -> list[str]:
    row = trace.behaviour
    if row is None:
        return ["Behaviour", "  not measured yet: `preceptor behaviour` compares the models on held-out prompts"]
    return ["Behaviour on held-out prompts", f"  {HEADINGS[row.outcome]}: {principle_sentence(row)}"]
