"""KTO: each answer by itself is desirable or not; so it also takes single answers with a thumb up or down.

It reads both answers' log-ratios, not their difference alone, so it has no slope in one margin, and no principle's
share of it is claimed.

Shapes: B pairs or single answers, 2 the answers a and b.
"""

from __future__ import annotations

from torch import Tensor

from train.losses.scores import Scores


def kto_loss(scores: Scores, p_B: Tensor, beta: float, desirable: float, undesirable: float) -> Tensor:
    """The sum over the item's answers (two of a pair, one of a single) of their expected loss over the label.

    An answer with log-ratio r costs desirable (1 - sigma(beta (r - z))) if it is desirable and undesirable (1 -
    sigma(beta (z - r))) if it is not: Ethayarajh et al. 2024 (arXiv 2402.01306), eq. 7. z is `scores.baseline`, which
    no gradient flows through; see train/baseline.py. a is desirable with probability p. Of a pair, the other answer
    then is the undesirable one, so b is desirable with probability 1 - p.
    """
    ahead_B_2 = beta * (scores.scores_B_2 - scores.baseline)
    liked_B_2 = desirable * (-ahead_B_2).sigmoid()
    disliked_B_2 = undesirable * ahead_B_2.sigmoid()
    a_B = p_B * liked_B_2[:, 0] + (1 - p_B) * disliked_B_2[:, 0]
    b_B = (1 - p_B) * liked_B_2[:, 1] + p_B * disliked_B_2[:, 1]
    return a_B + b_B * (scores.lengths_B_2[:, 1] > 0)
