"""A pair's trace as lines for a terminal."""

from __future__ import annotations

from generate.records import Response
from judge.pivotal import Change
from reports.page import vote_words
from reports.pair_trace import PairTrace, PrincipleOnPair, TurningWeight
from reports.text import indented, number, percent, plural

BECOMES: dict[Change, str] = {
    "same": "",
    "flips": ": the label flips",
    "vanishes": ": the label vanishes",
    "appears": ": the pair has a label",
}


def pair_lines(trace: PairTrace) -> list[str]:
    """Prompt, answers, votes, shares, label, and what would turn it."""
    return [*_material(trace), *_votes(trace), *_label(trace)]


def _material(trace: PairTrace) -> list[str]:
    prompt = trace.pair.prompt
    tags = f", tagged {', '.join(prompt.tags)}" if prompt.tags else ""
    lines = [f"Pair {trace.pair.key}", f"Prompt {prompt.id}{tags}"]
    for message in prompt.conversation:
        lines += [f"  {message.role}", indented(message.content, 4)]
    return [*lines, *_answer("A", trace.pair.a), *_answer("B", trace.pair.b)]


def _answer(name: str, response: Response) -> list[str]:
    cut = ", cut at the limit" if response.finish == "length" else ""
    return [f"Answer {name} ({plural(response.tokens, 'token')}{cut})", indented(response.text, 4)]


def _votes(trace: PairTrace) -> list[str]:
    lines = [f"Votes ({sum(len(row.votes) for row in trace.principles)}; in nats of log-odds; p is that A is better)"]
    for row in trace.principles:
        lines.append(f"  {principle_line(row, trace.p is not None)}")
        for vote in row.votes:
            lines.append(f"    {vote_words(vote)}")
            lines += [indented(vote.rationale, 6)] if vote.rationale else []
    return lines


def principle_line(row: PrincipleOnPair, labelled: bool) -> str:
    """What one principle makes of the pair, and what the label would be without it."""
    if row.share is None:
        return f"{row.principle}: no opinion ({row.missing or 'it was not asked'}); {_without(row)}"
    part = "" if row.part is None else f", part {number(row.part, 3, signed=True)}"
    return (
        f"{row.principle}: p {number(row.share.p, 3)}, {percent(row.share.weight)} % of the weight{part}; "
        f"{_without(row)}; {turning_words(row.turning, labelled)}"
    )


def _without(row: PrincipleOnPair) -> str:
    p = "no label" if row.without is None else f"p {number(row.without, 3)}"
    return f"without it {p}{BECOMES[row.change]}"


def turning_words(turning: TurningWeight | None, labelled: bool) -> str:
    """The weight that turns the label, or gives the pair one."""
    does = "turns the label" if labelled else "gives the pair a label"
    if turning is None:
        return f"no weight of its own {does}"
    times = "" if turning.times is None else f" ({number(turning.times, 2)} times its own)"
    return f"a weight {turning.direction} {number(turning.weight, 3)}{times} {does}"


def _label(trace: PairTrace) -> list[str]:
    lines = [f"Label by {trace.rule}: {label_words(trace)}"]
    lines.append("  made again from the stored votes: the same bit for bit")
    return [*lines, f"  {sets_sentence(trace)}"]


def label_words(trace: PairTrace) -> str:
    """The answer that is preferred, or why none is."""
    if trace.p is None:
        return f"none ({(trace.reason or '').replace('_', ' ')})"
    alone = f", decided by {', '.join(trace.label.decided_by)}" if trace.label.decided_by else ""
    passed = "; not trained on: another pair of the prompt was selected" if trace.label.p is None else ""
    return f"{'A' if trace.p > 0.5 else 'B'}, p = {number(trace.p, 4)}{alone}{passed}"


def sets_sentence(trace: PairTrace) -> str:
    """What must be left out for it to turn."""
    becomes = "gets a label" if trace.p is None else "flips"
    if trace.smallest_sets:
        sets = "; ".join(" + ".join(chosen) for chosen in trace.smallest_sets)
        return f"{becomes} without: {sets}"
    return f"no set of up to {plural(trace.sets_tried, 'principle')} is found without which it {becomes}"
