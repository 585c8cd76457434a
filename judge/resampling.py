"""Figures with their 95 % intervals where rows come in clusters: several pairs of one prompt are not independent.

Every statistic here is a function of column totals, so a bootstrap over clusters (Davison and Hinkley 1997, section
3.8) is one product: how often each draw took each cluster, times the clusters' sums. Rows and clusters are put in an
order of their own content first and the seed comes from that content, so no order of rows and no name of a cluster
changes a digit.

Shapes: N rows, C clusters, K columns, D draws.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from constitution.identity import seed_from
from constitution.record import Record

Floats: TypeAlias = NDArray[np.float64]
Clusters: TypeAlias = Sequence[str] | Sequence[int] | None
"""One label a row (the prompt's key); None: every row stands alone."""

Z_95 = 1.959963984540054
Z_POWER = 0.8416212335729143
"""Quantiles of the normal distribution: 95 % two-sided, and a power of 80 %."""
DRAWS = 2000
DRAWS_AT_ONCE = 64


class Score(Record):
    """A figure with its 95 % interval, and what it rests on; None where nothing can be said. One cluster may give
    a figure without interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Rows that count."""
    clusters: int
    """Independent groups of rows among them: prompts."""


def nothing(n: int = 0, clusters: int = 0) -> Score:
    """The score of too little."""
    return Score(value=None, low=None, high=None, n=n, clusters=clusters)


def cluster_sums(rows_N_K: Floats, clusters: Clusters) -> Floats:
    """Sums of the columns by cluster, C x K, the same bit for bit in whatever order the rows come."""
    if clusters is None:
        sums_C_K = rows_N_K
    else:
        assert len(clusters) == len(rows_N_K), "one cluster label a row"
        _, index_N = np.unique(np.asarray(clusters), return_inverse=True)
        order_N = np.lexsort((*rows_N_K.T, index_N))
        starts = np.flatnonzero(np.diff(index_N[order_N], prepend=-1))
        sums_C_K = np.add.reduceat(rows_N_K[order_N], starts, axis=0) if len(starts) else rows_N_K
    return sums_C_K[np.lexsort(sums_C_K.T)] if len(sums_C_K) else sums_C_K


def bootstrapped(
    rows_N_K: Floats, clusters: Clusters, statistic: Callable[[Floats], Floats], draws: int = DRAWS
) -> tuple[float, Floats]:
    """The statistic of the column totals, and its values over draws of the clusters.

    `statistic` maps totals D x K to D values (NaN where a draw has none; those are left out).
    """
    sums_C_K = cluster_sums(rows_N_K, clusters)
    value = float(statistic(sums_C_K.sum(axis=0, keepdims=True))[0])
    count, generator = len(sums_C_K), np.random.default_rng(content_seed(sums_C_K))
    totals = []
    for start in range(0, draws, DRAWS_AT_ONCE):
        size = min(DRAWS_AT_ONCE, draws - start)
        taken = generator.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times_D_C = np.bincount(taken.ravel(), minlength=size * count).reshape(size, count)
        totals.append(times_D_C.astype(np.float64) @ sums_C_K)
    values_D = statistic(np.concatenate(totals))
    return value, values_D[~np.isnan(values_D)]


def content_seed(array: Floats) -> int:
    """A seed from an array's shape and values."""
    content = np.ascontiguousarray(array, dtype="<f8") + 0.0
    return seed_from("bootstrap", list(array.shape), hashlib.sha256(content.tobytes()).hexdigest())


def percentile_score(rows_N_K: Floats, clusters: Clusters, statistic: Callable[[Floats], Floats]) -> Score:
    """A statistic of totals with its percentile bootstrap interval; of one cluster without any, as all draws of it are
    the same."""
    if not len(rows_N_K):
        return nothing()
    value, values_D = bootstrapped(rows_N_K, clusters, statistic)
    n, groups = len(rows_N_K), count_clusters(len(rows_N_K), clusters)
    if math.isnan(value) or not len(values_D):
        return nothing(n, groups)
    if groups < 2:
        return Score(value=value, low=None, high=None, n=n, clusters=groups)
    low, high = np.quantile(values_D, [0.025, 0.975])
    return Score(value=value, low=float(low), high=float(high), n=n, clusters=groups)


def mean_score(values_N: Floats, clusters: Clusters = None) -> Score:
    """The mean of the rows. For a difference of two scores of the same rows, pass the rows' differences."""
    return percentile_score(np.stack([values_N, np.ones_like(values_N)], axis=1), clusters, _ratio)


def _ratio(totals_D_2: Floats) -> Floats:
    return np.asarray(totals_D_2[:, 0] / totals_D_2[:, 1], dtype=np.float64)


def share_score(hits_N: Floats, clusters: Clusters = None) -> Score:
    """The mean of hits in [0, 1] with Wilson's interval at the effective sample size (Korn and Graubard 1998).

    n_eff = p(1-p) / var, var being the variance between clusters of the ratio, never more than the rows. Where all
    hit or all miss there is no variance to see: n_eff is then the number of clusters.
    """
    n = len(hits_N)
    if n == 0:
        return nothing()
    sums_C_2 = cluster_sums(np.stack([hits_N, np.ones_like(hits_N)], axis=1), clusters)
    groups = len(sums_C_2)
    p = float(sums_C_2[:, 0].sum() / n)
    residuals_C = sums_C_2[:, 0] - p * sums_C_2[:, 1]
    variance = float((residuals_C**2).sum()) * groups / max(groups - 1, 1) / n**2
    effective = min(float(n), p * (1 - p) / variance) if variance > 0 and 0 < p < 1 else float(groups)
    centre, z2 = p + Z_95**2 / (2 * effective), Z_95**2
    spread = Z_95 * math.sqrt(p * (1 - p) / effective + z2 / (4 * effective**2))
    shrink = 1 + z2 / effective
    low, high = max(0.0, (centre - spread) / shrink), min(1.0, (centre + spread) / shrink)
    return Score(value=p, low=low, high=high, n=n, clusters=groups)


def count_clusters(n: int, clusters: Clusters) -> int:
    """How many clusters n rows are in."""
    return n if clusters is None else len(set(clusters))
