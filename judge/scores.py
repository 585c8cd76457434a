"""How good a judge's probabilities are against gold: pure functions of arrays, each with a 95 % interval and its n.

`p_N` (or `logits_N`) is the judge's probability that response `a` is better, `gold_N` the annotators': 1 for `a`, 0 for
`b`, anything between for divided annotators. Every score is the same when the two responses of any pair change places.
`clusters` names each row's prompt: intervals are over prompts. Accuracy and kappa leave out pairs with gold exactly one
half (gold prefers neither); a judge at exactly one half is neither right nor wrong and counts half, what a coin would
get: leaving such pairs out would reward a judge for giving no answer to the hard ones.

Shapes: N pairs, D draws, B bins.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constitution.record import Record
from judge.kappa import Table, cohens_kappa
from judge.resampling import (
    DRAWS,
    Clusters,
    Floats,
    Score,
    bootstrapped,
    content_seed,
    count_clusters,
    mean_score,
    nothing,
    percentile_score,
    share_score,
)

Binning = Literal["equal_mass", "equal_width"]


class Bin(Record):
    """Pairs of about the same confidence."""

    n: int
    """Pairs in it."""
    confidence: float
    """Mean of max(p, 1 - p)."""
    accuracy: Score
    """How many of them are right."""


class CalibrationError(Record):
    """Expected calibration error (Guo et al. 2017) over confidence max(p, 1 - p) in [0.5, 1]."""

    score: Score
    """Weighted mean over bins of |confidence - accuracy|. The interval is corrected for the bootstrap's own bias."""
    if_calibrated: float | None
    """The mean that a perfectly calibrated judge with these confidences would show on as many pairs: never 0."""
    if_calibrated_high: float | None
    """Its 97.5th percentile: a score above it is miscalibration, one below it cannot be told from none."""
    binning: Binning
    """`equal_mass`: as many pairs in each bin. `equal_width`: ten slices of [0.5, 1]."""
    bins: tuple[Bin, ...]
    """Bins with a pair in them, by confidence."""


def as_floats(values: ArrayLike) -> Floats:
    """Anything array-like as 64-bit floats."""
    return np.asarray(values, dtype=np.float64)


def sigmoid(logits_N: Floats) -> Floats:
    """1 / (1 + e^-x) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits_N)), dtype=np.float64)


def accuracy(p: ArrayLike, gold: ArrayLike, clusters: Clusters = None) -> Score:
    """How often the judge and gold prefer the same response; a judge at one half counts half."""
    p_N, gold_N, kept = _decided(as_floats(p), as_floats(gold), clusters)
    return share_score(_hits(p_N, gold_N), kept)


def _decided(p_N: Floats, gold_N: Floats, clusters: Clusters) -> tuple[Floats, Floats, Clusters]:
    """Without the pairs on which gold prefers neither."""
    assert p_N.shape == gold_N.shape, "one gold value a pair"
    keep_N = gold_N != 0.5
    names = None if clusters is None else [str(c) for c, keep in zip(clusters, keep_N, strict=True) if keep]
    return p_N[keep_N], gold_N[keep_N], names


def _hits(p_N: Floats, gold_N: Floats) -> Floats:
    return np.where(p_N == 0.5, 0.5, (p_N > 0.5) == (gold_N > 0.5)).astype(np.float64)


def brier(p: ArrayLike, gold: ArrayLike, clusters: Clusters = None) -> Score:
    """Mean of (p - gold)^2 (Brier 1950, one of the two classes): 0.25 for always one half."""
    return mean_score((as_floats(p) - as_floats(gold)) ** 2, clusters)


def log_loss(logits: ArrayLike, gold: ArrayLike, clusters: Clusters = None) -> Score:
    """Mean of -gold log p - (1 - gold) log(1 - p), in nats, from logits: log 2 for always one half."""
    return mean_score(log_losses(as_floats(logits), as_floats(gold)), clusters)


def log_losses(logits_N: Floats, gold_N: Floats) -> Floats:
    """The log loss of each pair."""
    return as_floats(gold_N * np.logaddexp(0.0, -logits_N) + (1 - gold_N) * np.logaddexp(0.0, logits_N))


def kappa(first: ArrayLike, second: ArrayLike, clusters: Clusters = None) -> Score:
    """Cohen's kappa of two sets of verdicts, each p of `a` being better; a pair that one leaves at 1/2 does not count.

    Unlike the other scores it is about the names: chance is each one's own rate of `a`. Of one prompt there is no
    interval.
    """
    one_N, two_N = as_floats(first), as_floats(second)
    keep_N = (one_N != 0.5) & (two_N != 0.5)
    one, two = one_N[keep_N] > 0.5, two_N[keep_N] > 0.5
    names = None if clusters is None else [str(c) for c, keep in zip(clusters, keep_N, strict=True) if keep]
    cells = np.stack([one & two, one & ~two, ~one & two, ~one & ~two], axis=1).astype(np.float64)
    return percentile_score(cells, names, _kappas)


def _kappas(tables_D_4: Floats) -> Floats:
    found = [cohens_kappa(Table(*(round(cell) for cell in row))) for row in tables_D_4.tolist()]
    return np.array([np.nan if value is None else value for value in found])


def calibration_error(
    p: ArrayLike, gold: ArrayLike, clusters: Clusters = None, bins: int = 10, binning: Binning = "equal_mass"
) -> CalibrationError:
    """ECE with what sampling noise alone would give. Bins are made once, from all the pairs, and kept in the draws."""
    p_N, gold_N, kept = _decided(as_floats(p), as_floats(gold), clusters)
    if not len(p_N):
        return CalibrationError(score=nothing(), if_calibrated=None, if_calibrated_high=None, binning=binning, bins=())
    confidence_N, hits_N = np.maximum(p_N, 1 - p_N), _hits(p_N, gold_N)
    bin_N = _bin_indices(confidence_N, bins, binning)
    member_N_B = (bin_N[:, None] == np.unique(bin_N)).astype(np.float64)
    gap_N_B = member_N_B * (confidence_N - hits_N)[:, None]
    value, values_D = bootstrapped(np.concatenate([gap_N_B, member_N_B], axis=1), kept, _weighted_gap)
    bias = float(values_D.mean()) - value
    low, high = np.maximum(np.quantile(values_D, [0.025, 0.975]) - bias, 0.0)
    groups = count_clusters(len(p_N), kept)
    chance_D = _errors_if_calibrated(confidence_N, member_N_B)
    return CalibrationError(
        score=Score(
            value=value,
            low=min(float(low), value) if groups > 1 else None,
            high=max(float(high), value) if groups > 1 else None,
            n=len(p_N),
            clusters=groups,
        ),
        if_calibrated=float(chance_D.mean()),
        if_calibrated_high=float(np.quantile(chance_D, 0.975)),
        binning=binning,
        bins=tuple(_bin(confidence_N, hits_N, kept, member > 0) for member in member_N_B.T),
    )


def _bin_indices(confidence_N: Floats, bins: int, binning: Binning) -> NDArray[np.intp]:
    """Equal mass: by rank, equal confidences together in the bin of their middle rank."""
    if binning == "equal_width":
        return np.minimum(((confidence_N - 0.5) * 2 * bins).astype(np.intp), bins - 1)
    _, index_N, counts = np.unique(confidence_N, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2)[index_N]
    return np.minimum((middle * min(bins, len(confidence_N)) / len(confidence_N)).astype(np.intp), bins - 1)


def _weighted_gap(totals_D_2B: Floats) -> Floats:
    """sum_b n_b/n |mean gap of b|, from the sums of gaps and the counts."""
    gaps_D_B, counts_D_B = np.split(totals_D_2B, 2, axis=1)
    return np.asarray(np.abs(gaps_D_B).sum(axis=1) / counts_D_B.sum(axis=1), dtype=np.float64)


def _errors_if_calibrated(confidence_N: Floats, member_N_B: Floats) -> Floats:
    """ECE of outcomes drawn with exactly these confidences, D values (Broecker and Smith 2007, consistency bars)."""
    order_N = np.argsort(confidence_N, kind="stable")
    confidence_N, member_N_B = confidence_N[order_N], member_N_B[order_N]
    generator = np.random.default_rng(content_seed(confidence_N))
    counts_2B = np.concatenate([np.zeros(member_N_B.shape[1]), member_N_B.sum(axis=0)])
    found = []
    for _ in range(DRAWS // 4):
        hits_N = generator.random(len(confidence_N)) < confidence_N
        gaps_B = (confidence_N - hits_N) @ member_N_B
        found.append(_weighted_gap((counts_2B + np.concatenate([gaps_B, np.zeros_like(gaps_B)]))[None])[0])
    return np.array(found)


def _bin(confidence_N: Floats, hits_N: Floats, clusters: Clusters, inside_N: NDArray[np.bool_]) -> Bin:
    names = None if clusters is None else [str(c) for c, inside in zip(clusters, inside_N, strict=True) if inside]
    return Bin(
        n=int(inside_N.sum()),
        confidence=float(confidence_N[inside_N].mean()),
        accuracy=share_score(hits_N[inside_N], names),
    )
