"""Temperatures of several principles at once: P(gold prefers a) = sigma(x / T_k), pooled as far as the data ask for it.

x is the judge's preference in logits. In the slope s_k = 1/T_k this is logistic regression without an intercept, so
chance is s = 0 and lies inside the range, not at infinity. The slopes of one judge's principles come from one normal
distribution whose mean and spread are estimated with them (partial pooling: Gelman and Hill 2007, chapter 12): a
principle with many labels keeps its own slope, one with few is drawn towards the others', by an amount that is stated.

    log-likelihood  l_k(s) = (1/D) sum_i [y_i log sigma(s x_i) + (1 - y_i) log sigma(-s x_i)]
    s_k ~ N(mu, tau),   mu ~ Cauchy(0, 2.5),   tau ~ half-Cauchy(0.5),   in units of 1 / rms(x)

D >= 1 is the design effect: pairs of one prompt are not independent, so the likelihood is tempered by the ratio of the
clustered to the plain variance of its score (Chandler and Bate 2007). Everything is one-dimensional, hence summed over
a grid: no optimiser, no approximation by a normal, the same digits every time.

Shapes: N pairs of one principle, K principles, G grid points of a slope, H pairs of (mu, tau).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from judge.resampling import Floats, cluster_sums
from judge.scores import as_floats, sigmoid

SLOPES_G = np.arange(-6.0, 15.0001, 0.015)
MEANS = np.arange(-6.0, 15.0001, 0.05)
SPREADS = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
MEAN_SCALE, SPREAD_SCALE = 2.5, 0.5
"""Gelman et al. 2008 advise Cauchy(0, 2.5) for the coefficient of a standardised input."""
ROWS_AT_ONCE = 4096


class Labelled(NamedTuple):
    """Pairs of one principle with a judge's preference and a label: 1 for `a`, 0 for `b`, 1/2 for neither."""

    logits_N: Floats
    gold_N: Floats
    prompts: tuple[str, ...]


class Slope(NamedTuple):
    """1/T of one principle: median and 95 % interval."""

    value: float
    low: float
    high: float
    own: float
    """How much of it rests on the principle's own labels, 0 to 1; the rest comes from the judge's other principles. 1
    where there are no others: what the weak prior adds then is not counted."""


def fit_slopes(groups: Sequence[Labelled]) -> list[Slope]:
    """The slopes of one judge's principles, in their order. Some logit must differ from 0."""
    x_N, gold_N = (np.concatenate(parts) for parts in zip(*((g.logits_N, g.gold_N) for g in groups), strict=True))
    scale = float(np.sqrt((x_N**2).mean()))
    assert scale > 0, "a judge without any preference has no temperature"
    names = [f"{k} {prompt}" for k, group in enumerate(groups) for prompt in group.prompts]
    effect = _design_effect(x_N / scale, gold_N, names)
    logs_K_G = np.stack([_log_likelihood(g.logits_N / scale, g.gold_N) / effect for g in groups])
    likelihoods_K_G = np.exp(logs_K_G - logs_K_G.max(axis=1, keepdims=True))
    posteriors_K_G = _pooled(likelihoods_K_G)
    found = [_slope(own_G, pooled_G, scale) for own_G, pooled_G in zip(likelihoods_K_G, posteriors_K_G, strict=True)]
    return [found[0]._replace(own=1.0)] if len(found) == 1 else found


def _log_likelihood(x_N: Floats, gold_N: Floats) -> Floats:
    """sum_i log sigma(s x_i) - (1 - y_i) s x_i, which is the log-likelihood with one logarithm a pair."""
    total_G = as_floats(-SLOPES_G * float(((1 - gold_N) * x_N).sum()))
    for start in range(0, len(x_N), ROWS_AT_ONCE):
        total_G -= np.logaddexp(0.0, np.outer(-SLOPES_G, x_N[start : start + ROWS_AT_ONCE])).sum(axis=1)
    return total_G


def _design_effect(x_N: Floats, gold_N: Floats, clusters: Sequence[str]) -> float:
    """Variance of the score x (y - sigma(s x)) at the common slope, summed by cluster, over that of lone pairs."""
    slope = _common_slope(x_N, gold_N)
    scores_N_1 = (x_N * (gold_N - sigmoid(slope * x_N)))[:, None]
    sums_C_1 = cluster_sums(scores_N_1, clusters)
    alone = float((scores_N_1**2).sum())
    count = len(sums_C_1)
    return max(1.0, float((sums_C_1**2).sum()) / alone * count / max(count - 1, 1)) if alone else 1.0


def _common_slope(x_N: Floats, gold_N: Floats) -> float:
    """Where the log-likelihood of all pairs is highest, within the grid; the score falls as the slope rises."""
    from scipy.optimize import brentq

    def score(slope: float) -> float:
        return float((x_N * (gold_N - sigmoid(slope * x_N))).sum())

    low, high = float(SLOPES_G[0]), float(SLOPES_G[-1])
    if score(low) <= 0:
        return low
    return high if score(high) >= 0 else float(brentq(score, low, high))


class _Prior(NamedTuple):
    """N(s | mu, tau) on the grid, each row summing to 1, and the weight of each (mu, tau)."""

    slopes_H_G: Floats
    weights_H: Floats


@lru_cache(maxsize=1)
def _prior() -> _Prior:
    means_H, spreads_H = (part.ravel() for part in np.meshgrid(MEANS, SPREADS, indexing="ij"))
    density_H_G = np.exp(-0.5 * ((SLOPES_G - means_H[:, None]) / spreads_H[:, None]) ** 2)
    width_H = np.gradient(SPREADS)[np.searchsorted(SPREADS, spreads_H)]
    weights_H = width_H / (1 + (means_H / MEAN_SCALE) ** 2) / (1 + (spreads_H / SPREAD_SCALE) ** 2)
    return _Prior(density_H_G / density_H_G.sum(axis=1, keepdims=True), weights_H / weights_H.sum())


def _pooled(likelihoods_K_G: Floats) -> Floats:
    """Each principle's posterior, each row summing to 1: p(s_k | all) = sum_h p(h | all) p(s_k | h, its own labels)."""
    prior = _prior()
    evidence_K_H = likelihoods_K_G @ prior.slopes_H_G.T
    with np.errstate(divide="ignore"):
        log_posterior_H = np.log(prior.weights_H) + np.log(evidence_K_H).sum(axis=0)
    posterior_H = np.exp(log_posterior_H - log_posterior_H.max())
    inverse_K_H = np.divide(posterior_H, evidence_K_H, out=np.zeros_like(evidence_K_H), where=posterior_H > 0)
    posteriors_K_G = likelihoods_K_G * (inverse_K_H @ prior.slopes_H_G)
    return np.asarray(posteriors_K_G / posteriors_K_G.sum(axis=1, keepdims=True), dtype=np.float64)


def _slope(likelihood_G: Floats, posterior_G: Floats, scale: float) -> Slope:
    low, value, high = (_quantile(posterior_G, q) / scale for q in (0.025, 0.5, 0.975))
    own = min(1.0, _variance(posterior_G) / _variance(likelihood_G))
    return Slope(value, low, high, own)


def _quantile(posterior_G: Floats, q: float) -> float:
    """Each grid point stands for the interval around it."""
    return float(np.interp(q, np.cumsum(posterior_G) - posterior_G / 2, SLOPES_G))


def _variance(weights_G: Floats) -> float:
    share_G = weights_G / weights_G.sum()
    mean = float(share_G @ SLOPES_G)
    return max(float(share_G @ (SLOPES_G - mean) ** 2), math.ulp(1.0))
