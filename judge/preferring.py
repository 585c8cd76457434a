"""Whether votes and weights prefer anything in a run's pairs: else hardly a pair is left to train on."""

from __future__ import annotations

from collections.abc import Mapping

MOST = 0.5
"""The share of pairs without a preference above which that is worth a warning."""
PREFERRING = ("labelled", "not_selected")


def without_preference(counts: Mapping[str, int]) -> dict[str, int]:
    """How many pairs have no preference, by reason; empty where at least half of the pairs have one. `counts` has how
    many are `labelled`, and how many have no label for each reason."""
    without = {reason: count for reason, count in counts.items() if count and reason not in PREFERRING}
    return without if sum(without.values()) > MOST * sum(counts.values()) else {}


def listed_reasons(without: Mapping[str, int]) -> str:
    """`3 undecided, 1 no principle applies`."""
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in without.items())


def preference_warnings(counts: Mapping[str, int]) -> list[str]:
    """In plain words; empty where `without_preference` is."""
    if not (without := without_preference(counts)):
        return []
    return [
        f"{sum(without.values())} of {sum(counts.values())} pairs have no preference ({listed_reasons(without)}), so "
        "that little is left to train on: `preceptor constitution check` with `--run` says which principles decide "
        "nothing here"
    ]
