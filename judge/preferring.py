"""Whether votes and weights prefer anything in a run's pairs: else hardly a pair is left to train on."""

from __future__ import annotations

from collections.abc import Mapping

MOST = 0.5
"""The share of pairs without a preference above which that is worth a warning."""
PREFERRING = ("labelled", "not_selected")


def preference_warnings(counts: Mapping[str, int]) -> list[str]:
    """In plain words, from how many pairs are `labelled` and how many have none for each reason; empty where at least
    half of the pairs have a preference."""
    total = sum(counts.values())
    without = {reason: count for reason, count in counts.items() if count and reason not in PREFERRING}
    if sum(without.values()) <= MOST * total:
        return []
    reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in without.items())
    return [
        f"{sum(without.values())} of {total} pairs have no preference ({reasons}), so that little is left to train on: "
        "`preceptor constitution check` with `--run` says which principles decide nothing here"
    ]
