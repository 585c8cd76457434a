"""A judge's verdicts order by order: accuracy and agreement as the authors of LLMBar report them (arXiv 2310.07641).

    from judge.order_scores import llmbar_statistics, order_scores

Their definitions, worked out from their recorded verdicts: `correct_False` and `correct_True` are the accuracy in the
given and in the swapped order, `correct_average` their mean, `correct_both` right in both, `equal` the same response
named in both. `kappa_agreement` is Cohen's kappa between the two orders. `kappa_False` and `kappa_True` are meant as
kappa against gold, but their script codes a verdict for the second response as 0 and gold for it as 2, so that every
agreement on the second response counts as disagreement: 0.19 is printed where Cohen's kappa is 0.60. Here
`llmbar_statistics` reproduces their figures and `order_scores` gives Cohen's kappa; only the latter is ever a judge's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from constitution.record import Record
from judge.resampling import Clusters, Floats, Score, mean_score, share_score
from judge.scores import as_floats, kappa


class OrderScores(Record):
    """Verdicts in both orders against gold. A pair without a verdict (NaN) is wrong in that order, and no agreement."""

    accuracy_ab: Score
    """Right when `a` is shown first."""
    accuracy_ba: Score
    """Right when `b` is."""
    accuracy: Score
    """The mean of the two, pair by pair."""
    both_right: Score
    """Right in both orders."""
    agreement: Score
    """The same response preferred in both; none is in a verdict at exactly one half."""
    kappa_ab: Score
    """Cohen's kappa against gold when `a` is shown first."""
    kappa_ba: Score
    """The same when `b` is."""
    kappa_between: Score
    """Cohen's kappa between the two orders."""


def order_scores(p_ab: ArrayLike, p_ba: ArrayLike, gold: ArrayLike, clusters: Clusters = None) -> OrderScores:
    """All of it. `p_ab`, `p_ba`: probability that the pair's `a` is better, by order shown; NaN where there is none."""
    ab_N, ba_N, gold_N = as_floats(p_ab), as_floats(p_ba), as_floats(gold)
    right_ab, right_ba = _right(ab_N, gold_N), _right(ba_N, gold_N)
    return OrderScores(
        accuracy_ab=share_score(right_ab, clusters),
        accuracy_ba=share_score(right_ba, clusters),
        accuracy=mean_score((right_ab + right_ba) / 2, clusters),
        both_right=share_score(((right_ab == 1) & (right_ba == 1)).astype(np.float64), clusters),
        agreement=share_score(((ab_N - 0.5) * (ba_N - 0.5) > 0).astype(np.float64), clusters),
        kappa_ab=_kappa(ab_N, gold_N, clusters),
        kappa_ba=_kappa(ba_N, gold_N, clusters),
        kappa_between=_kappa(ab_N, ba_N, clusters),
    )


def _right(p_N: Floats, gold_N: Floats) -> Floats:
    hits_N = np.where(p_N == 0.5, 0.5, (p_N > 0.5) == (gold_N > 0.5))
    return np.where(np.isnan(p_N), 0.0, hits_N).astype(np.float64)


def _kappa(one_N: Floats, two_N: Floats, clusters: Clusters) -> Score:
    """Pairs without a verdict do not count."""
    given = ~(np.isnan(one_N) | np.isnan(two_N))
    return kappa(np.where(given, one_N, 0.5), np.where(given, two_N, 0.5), clusters)


def llmbar_statistics(p_ab: ArrayLike, p_ba: ArrayLike, gold: ArrayLike) -> dict[str, str | float | None]:
    """The nine figures under the names, in the format and by the coding of the authors' script.

    None for a kappa where only one verdict occurs, on which chance agrees as often.
    """
    ab, ba, truth = (tuple(_winner(p) for p in as_floats(values).tolist()) for values in (p_ab, p_ba, gold))
    n = len(truth)
    correct_ab, correct_ba = (sum(one == two for one, two in zip(v, truth, strict=True)) for v in (ab, ba))
    both = sum(one == two == three for one, two, three in zip(ab, ba, truth, strict=True))
    equal = sum(one == two for one, two in zip(ab, ba, strict=True))
    coded_ab, coded_ba = (tuple(1 if winner == 1 else 0 for winner in v) for v in (ab, ba))
    kappa_ab, kappa_ba = _label_kappa(coded_ab, truth), _label_kappa(coded_ba, truth)
    return {
        "correct_False": _counted(correct_ab, n),
        "correct_True": _counted(correct_ba, n),
        "correct_average": f"{(correct_ab + correct_ba) / 2 / n * 100}%",
        "correct_both": _counted(both, n),
        "equal": _counted(equal, n),
        "kappa_False": kappa_ab,
        "kappa_True": kappa_ba,
        "kappa_average": None if kappa_ab is None or kappa_ba is None else (kappa_ab + kappa_ba) / 2,
        "kappa_agreement": _label_kappa(coded_ab, coded_ba),
    }


def _winner(p: float) -> int | None:
    """1 for `a`, 2 for `b`, None for no verdict."""
    return 1 if p > 0.5 else 2 if p < 0.5 else None


def _counted(hits: int, n: int) -> str:
    return f"{hits} / {n} = {hits / n * 100}%"


def _label_kappa(one: Sequence[int | None], two: Sequence[int | None]) -> float | None:
    """Cohen's kappa over whatever labels occur: 1 - disagreements / disagreements expected by chance.

    Summed cell by cell in the order of the labels, as scikit-learn does, so that the last digit is theirs too.
    """
    labels = sorted({*one, *two}, key=str)
    observed = np.array([[sum(pair == (a, b) for pair in zip(one, two, strict=True)) for b in labels] for a in labels])
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / observed.sum()
    elsewhere = 1 - np.eye(len(labels))
    by_chance = float((elsewhere * expected).sum())
    return float(1 - (elsewhere * observed).sum() / by_chance) if by_chance else None
