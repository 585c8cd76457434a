"""What a forward pass gives a loss, and the margin made of it.

Shapes: B pairs, 2 the answers a and b.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Scores(NamedTuple):
    """Of each answer its score, in nats a sequence, and its length in tokens; a single answer's b has length 0.

    A score is log pi - log pi_ref, or log pi for a loss that reads no reference. `baseline` is KTO's z, in nats.
    """

    scores_B_2: Tensor
    lengths_B_2: Tensor
    baseline: float = 0.0


def margins(scores: Scores, averaged: bool) -> Tensor:
    """h of each pair [B]: score of a minus score of b, each over its length in tokens if `averaged`."""
    per_answer_B_2 = scores.scores_B_2 / scores.lengths_B_2 if averaged else scores.scores_B_2
    return per_answer_B_2[:, 0] - per_answer_B_2[:, 1]
