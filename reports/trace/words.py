"""The trace for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from constitution.wording import plural
from reports.statistics import Interval
from reports.trace.dial_words import dial_sentences
from reports.trace.fidelity import words as fidelity_words
from reports.trace.records import Frontier, Moved, PairPart, Predicted, PredictedAnswers, WhatIf


def whatif_lines(found: WhatIf) -> list[str]:
    """A prediction, its behaviours and how far to trust it."""
    kept = ", ".join(f"{i} {weight:g}" for i, weight in found.weights.items())
    lines = [
        f"what if: {kept}",
        f"labels of the {plural(found.pairs, 'pair')} trained on (the selection of pairs is not redone): "
        f"{found.changed} change, {found.flipped} of them change sides, {found.vanished} vanish",
    ]
    if found.unjudged:
        lines.append(f"not judged yet, so not in it: {', '.join(found.unjudged)}; this is the run without")
    lines.append(
        "predicted margins on held-out pairs (mean of (2p - 1) h; now -> then, change with 95 % over prompts):"
    )
    for one in found.behaviours:
        lines.append(
            f"  {one.principle}: {one.now.estimate:.3f} -> {one.then:.3f}, {interval(one.change)}, "
            f"{plural(one.pairs, 'pair')} of {plural(one.change.n, 'prompt')}{_verdict(one)}"
        )
    if found.answers:
        lines.append("predicted answers of the policy (change of the mean with 95 % over held-out prompts):")
        lines += [_answers_line(one) for one in found.answers]
    if found.corrected:
        lines.append(f"corrected by the retrainings without: {', '.join(found.corrected)}")
    lines.append(f"fidelity: {fidelity_words(found.fidelity)}")
    lines.append(f"played again in {1000 * found.seconds:.0f} ms, once all was loaded; nothing was judged or trained")
    return lines


def _answers_line(one: PredictedAnswers) -> str:
    return f"  {one.behaviour}: {one.now.estimate:.3f}, {interval(one.change)}, n = {one.change.n}{_verdict(one)}"


def _verdict(one: Predicted | PredictedAnswers) -> str:
    if one.change.excludes_zero:
        return ""
    if isinstance(one, Predicted) and one.now.estimate == one.change.low == one.change.high == 0:
        return ": it takes no side on these pairs"
    if one.detectable is None:
        return ": no detectable change"
    return f": no detectable change; one of at least {one.detectable:.2g} would have been detected"


def frontier_lines(found: Frontier) -> list[str]:
    """One line a position of the dial."""
    lines = [
        f"mean margins on held-out pairs along the dial ({found.first}, {found.second}; predicted, 95 % over prompts; "
        "then retrained, where it was):"
    ]
    for point in found.points:
        real = (point.retrained_first, point.retrained_second)
        words = ", ".join(interval(one) for one in real if one) or "not retrained"
        lines.append(
            f"  {point.t:.2f}: {interval(point.predicted_first)}, {interval(point.predicted_second)}, "
            f"n = {point.predicted_first.n} and {plural(point.predicted_second.n, 'prompt')}; {words}"
        )
    return [*lines, *(f"  {sentence}" for sentence in dial_sentences(found))]


def moved_lines(found: Moved) -> list[str]:
    """Who moved it: principles, then pairs."""
    lines = principle_lines(found)
    for title, pairs in (("raised most by", found.raised), ("lowered most by", found.lowered)):
        lines += [f"{title} (of {plural(found.pairs, 'pair')} trained on):", *_pair_lines(pairs)]
    return lines


def principle_lines(found: Moved) -> list[str]:
    """How far it moved, and the principles' parts of that."""
    return [
        f"{found.what}: {interval(found.measured)}, n = {found.measured.n}",
        f"explained by the parts below: {found.explained:.3f} (off by {100 * found.completeness_error:.1f} %)",
        f"by principle (part of the change{', 95 % over held-out prompts' if found.measured.n > 1 else ''}):",
        *(f"  {part.principle}: {interval(part.contribution)}" for part in found.principles),
    ]


def _pair_lines(pairs: Sequence[PairPart]) -> list[str]:
    lines = []
    for pair in pairs:
        ranked = sorted(pair.by_principle.items(), key=lambda item: -abs(item[1]))[:3]
        shares = ", ".join(f"{i} {value:+.4f}" for i, value in ranked)
        lines.append(f"  {pair.pair[:12]} {pair.contribution:+.4f} ({shares})")
    return lines


def interval(found: Interval) -> str:
    """`+0.120 [0.080, 0.160]`."""
    if found.low is None or found.high is None:
        return f"{found.estimate:+.3f} (no interval{': ' + found.note if found.note else ''})"
    return f"{found.estimate:+.3f} [{found.low:.3f}, {found.high:.3f}]"
