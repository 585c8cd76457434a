"""How far a judge's verdicts follow length: a logistic slope on the log length difference, if wished beyond gold.

Shapes: N pairs, K columns, C clusters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from judge.resampling import Z_95, Clusters, Floats, Score, cluster_sums, count_clusters, nothing
from judge.scores import as_floats, sigmoid

WIDEST = 1e6


def length_slope(
    p: ArrayLike, log_length_difference: ArrayLike, clusters: Clusters = None, gold: ArrayLike | None = None
) -> Score:
    """The slope s of P(verdict for a) = sigma(s x), x = log(length a) - log(length b): +1 means that a response twice
    as long doubles its odds. With `gold`, beyond what gold explains: sigma(s x + g (2 gold - 1)).

    Without an intercept, so that the names of the responses do not matter. Verdicts are fitted, not probabilities: 1,
    0, or 1/2 for a judge at one half. Firth's penalty (Firth 1993) keeps the slope finite for a judge that always
    prefers the longer one. The interval is the penalised profile likelihood's (Heinze and Schemper 2002), its deviance
    divided by the ratio of the cluster-robust to the model's variance where that is above 1. No slope where no length
    differs.
    """
    x_N = as_floats(log_length_difference)
    columns = [x_N] if gold is None else [x_N, 2 * as_floats(gold) - 1]
    design_N_K, verdict_N = np.stack(columns, axis=1), (np.sign(as_floats(p) - 0.5) + 1) / 2
    groups = count_clusters(len(x_N), clusters)
    if groups < 2 or np.linalg.matrix_rank(design_N_K) < design_N_K.shape[1]:
        return nothing(len(x_N), groups)
    slopes_K = _firth(design_N_K, verdict_N)
    inflation = max(1.0, _robust_ratio(design_N_K, verdict_N, slopes_K, clusters, groups))
    allowed = Z_95**2 * inflation / 2

    def above(slope: float) -> float:
        return _profile(design_N_K, verdict_N, float(slopes_K[0])) - _profile(design_N_K, verdict_N, slope) - allowed

    step = Z_95 * float(np.sqrt(inflation * np.linalg.inv(_information(design_N_K, slopes_K))[0, 0]))
    low, high = (_crossing(above, float(slopes_K[0]), side * step) for side in (-1, 1))
    return Score(value=float(slopes_K[0]), low=low, high=high, n=len(x_N), clusters=groups)


def _information(design_N_K: Floats, slopes_K: Floats) -> Floats:
    p_N = sigmoid(design_N_K @ slopes_K)
    return np.asarray((design_N_K * (p_N * (1 - p_N))[:, None]).T @ design_N_K, dtype=np.float64)


def _robust_ratio(design_N_K: Floats, verdict_N: Floats, slopes_K: Floats, clusters: Clusters, groups: int) -> float:
    """The slope's cluster-robust (sandwich) variance over the model's."""
    inverse = np.linalg.inv(_information(design_N_K, slopes_K))
    residual_N = verdict_N - sigmoid(design_N_K @ slopes_K)
    scores_C_K = cluster_sums(design_N_K * residual_N[:, None], clusters)
    robust = inverse @ (scores_C_K.T @ scores_C_K) @ inverse * groups / (groups - 1)
    return float(robust[0, 0] / inverse[0, 0])


def _firth(design_N_K: Floats, verdict_N: Floats, steps: int = 100) -> Floats:
    """Newton on the penalised score: residuals plus the leverage h_i (1/2 - p_i); steps of at most 1."""
    slopes_K = np.zeros(design_N_K.shape[1])
    for _ in range(steps):
        p_N = sigmoid(design_N_K @ slopes_K)
        inverse = np.linalg.inv(_information(design_N_K, slopes_K))
        leverage_N = np.einsum("nk,kl,nl->n", design_N_K, inverse, design_N_K) * p_N * (1 - p_N)
        step_K = inverse @ (design_N_K.T @ (verdict_N - p_N + leverage_N * (0.5 - p_N)))
        step_K /= max(1.0, float(np.abs(step_K).max()))
        slopes_K = slopes_K + step_K
        if float(np.abs(step_K).max()) < 1e-10:
            break
    return slopes_K


def _profile(design_N_K: Floats, verdict_N: Floats, slope: float) -> float:
    """The penalised log likelihood, log L + log|I| / 2, at this slope and the best coefficient of gold."""
    from scipy.optimize import minimize_scalar

    def negative(other: float) -> float:
        slopes_K = np.array([slope, other])[: design_N_K.shape[1]]
        logits_N = design_N_K @ slopes_K
        losses_N = np.logaddexp(0.0, logits_N) - verdict_N * logits_N
        return float(losses_N.sum() - np.linalg.slogdet(_information(design_N_K, slopes_K))[1] / 2)

    return -negative(0.0) if design_N_K.shape[1] == 1 else -float(minimize_scalar(negative).fun)


def _crossing(above: Callable[[float], float], start: float, step: float) -> float:
    """Where `above` becomes positive, going from `start` in steps that double."""
    from scipy.optimize import brentq

    inner, outer = start, start + step
    while above(outer) < 0 and abs(outer - start) < WIDEST * abs(step):
        inner, step = outer, 2 * step
        outer = inner + step
    return float(brentq(above, *sorted((inner, outer)), xtol=1e-8))
