"""What may be said of a second judge as a whole: on how many principles it is better than chance, at it, or unknown."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from judge.agreement import Agreement
from reports.data import SecondOpinion
from reports.text import plural

AT_CHANCE = (0.4, 0.6)
"""An agreement whose whole interval lies between these is called chance: not merely unlike nothing else."""

Standing = Literal["better", "opposed", "chance", "unknown", "silent", "same"]
WORDS: dict[Standing, str] = {
    "opposed": "they agree less than chance would",
    "chance": "it judges at chance, with the whole interval between 40 and 60 %",
    "unknown": "its agreement cannot be told from chance",
    "silent": "no pair is decided by both",
    "same": "both are one judge, the principle's source",
}


def opinion_sentence(opinion: SecondOpinion, judge: str) -> str:
    """`It agrees with `rules` better than chance on 1 of 4 principles; on 3 its agreement cannot be told from chance
    (n = 20 to 24 pairs a principle). ...`"""
    count = Counter(standing(row) for row in opinion.rows)
    all_of_them = plural(len(opinion.rows), "principle")
    words = f"It agrees with `{judge}` better than chance on {count['better'] or 'none'} of {all_of_them}"
    words += "".join(f"; on {count[one]} {said}" for one, said in WORDS.items() if count[one])
    advice = (
        "" if count["better"] == len(opinion.rows) else " Rely on its verdicts only where it is better than chance."
    )
    return f"{words} ({_counted(opinion)}).{advice}"


def standing(row: Agreement) -> Standing:
    """One principle's; a small n leaves it unknown."""
    found = row.agreement
    if row.same_votes:
        return "same"
    if found.low is None or found.high is None:
        return "silent"
    if found.low > 0.5:
        return "better"
    if found.high < 0.5:
        return "opposed"
    return "chance" if AT_CHANCE[0] <= found.low and found.high <= AT_CHANCE[1] else "unknown"


def _counted(opinion: SecondOpinion) -> str:
    counts = [row.agreement.n for row in opinion.rows] or [0]
    few, many = min(counts), max(counts)
    return f"n = {plural(many, 'pair')} a principle" if few == many else f"n = {few:,} to {many:,} pairs a principle"
