"""What is wrong with the data before any training: pairs that could not be used or had to be cut, by principle."""

from __future__ import annotations

from collections import Counter

from constitution.wording import plural
from train.tokens import SAME_CUT, TOO_LONG, Tokenised

NOTICEABLE = 0.02
"""The part of the pairs above which a loss of pairs is worth a warning."""
FEW = 10
"""Pairs, or single answers, below which a training is of these more than of the principles."""


def data_warnings(tokenised: Tokenised, max_length: int) -> list[str]:
    """In plain words; empty where nearly all pairs could be used as they are."""
    given = len(tokenised.pairs) + len(tokenised.dropped)
    said = []
    for reason, count in sorted(tokenised.left_out.items()):
        if count <= NOTICEABLE * given:
            continue
        hint = f"; train.max_length is {max_length}" if reason in (TOO_LONG, SAME_CUT) else ""
        said.append(f"{count} of {given} pairs were left out ({reason}{hint}){_principles(tokenised, reason)}")
    if tokenised.shortened > NOTICEABLE * given:
        said.append(f"{tokenised.shortened} of {given} pairs were cut to train.max_length, {max_length} tokens")
    return said


def size_warnings(trained: int, heldout: int) -> list[str]:
    """In plain words, where so few pairs were trained on or held out that others may well give something else."""
    said = []
    if trained < FEW:
        said.append(f"only {plural(trained, 'pair')} to train on: as many others may well teach something else")
    if 0 < heldout < FEW:
        said.append(f"only {plural(heldout, 'pair')} held out: figures on so few say little about others")
    return said


def _principles(tokenised: Tokenised, reason: str) -> str:
    """The principles whose votes were lost with these pairs, most first, as the end of a sentence."""
    lost = Counter(share.principle for pair, why in tokenised.dropped if why == reason for share in pair.shares)
    kept = Counter(share.principle for tokens in tokenised.pairs for share in tokens.pair.shares)
    listed = [f"`{name}` {count} of {count + kept[name]}" for name, count in lost.most_common(3)]
    return f"; votes lost: {', '.join(listed)}" if listed else ""
