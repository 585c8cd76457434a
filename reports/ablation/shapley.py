"""Shapley values of the principles, from the label sets that were trained. Pure mathematics.

Both ways are linear in the sets' outcomes: a matrix that turns one value a set into one value a principle. So they act
on every seed and prompt by itself, and the interval is that of any other effect.

Shapes: M sets, K principles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reports.statistics import Values

MOST_EXACT = 12
"""Principles up to which all subsets are looked for."""


class Design(NamedTuple):
    """How values follow from outcomes: `matrix_K_M` times the outcomes of `sets`, in their order."""

    sets: tuple[frozenset[str], ...]
    matrix_K_M: Values
    exact: bool


def exact_design(players: Sequence[str]) -> Design:
    """phi_i = sum over S without i of |S|! (K - |S| - 1)! / K! (v(S + i) - v(S)) (Shapley 1953). All 2^K sets."""
    k = len(players)
    sets = tuple(frozenset(player for place, player in enumerate(players) if bits >> place & 1) for bits in range(2**k))
    matrix_K_M = np.zeros((k, len(sets)))
    for column, one in enumerate(sets):
        for row, player in enumerate(players):
            others = len(one) - (player in one)
            weight = 1 / (k * math.comb(k - 1, others))
            matrix_K_M[row, column] = weight if player in one else -weight
    return Design(sets, matrix_K_M, exact=True)


def fitted_design(players: Sequence[str], trained: Sequence[frozenset[str]]) -> Design | None:
    """Weighted least squares of v(S) - v(none) on membership, the values adding up to v(all) - v(none).

    The weights are the Shapley kernel's (Charnes et al. 1988; Lundberg and Lee 2017, theorem 2), summed over all sets
    of a size and shared among those that were trained. None where these do not determine the values.
    """
    k = len(players)
    proper = [one for one in trained if 0 < len(one) < k]
    sizes = [len(one) for one in proper]
    if k < 2 or len(set(sizes)) < 2:
        return None
    weights_M = np.array([(k - 1) / (size * (k - size)) / sizes.count(size) for size in sizes])
    member_M_K = np.array([[float(player in one) for player in players] for one in proper])
    x_M_J = member_M_K[:, :-1] - member_M_K[:, -1:]
    if np.linalg.matrix_rank(x_M_J) < k - 1 or len(proper) <= k:
        return None
    fit_J_M = np.linalg.solve(x_M_J.T @ (weights_M[:, None] * x_M_J), x_M_J.T * weights_M)
    # y = v(S) - v(none) - member_last (v(all) - v(none)), so that the last principle takes what the others leave.
    last_M = member_M_K[:, -1]
    by_none_J, by_all_J = -(fit_J_M @ (1 - last_M)), -(fit_J_M @ last_M)
    free_J_M = np.concatenate([fit_J_M, by_none_J[:, None], by_all_J[:, None]], axis=1)
    whole_1_M = np.concatenate([np.zeros(len(proper)), [-1.0, 1.0]])[None, :]
    matrix_K_M = np.concatenate([free_J_M, whole_1_M - free_J_M.sum(axis=0, keepdims=True)])
    return Design((*proper, frozenset(), frozenset(players)), matrix_K_M, exact=False)


def design(players: Sequence[str], trained: Sequence[frozenset[str]]) -> Design | None:
    """Exact where all subsets were trained, else fitted; None where neither is possible."""
    there = set(trained)
    if not {frozenset(), frozenset(players)} <= there:
        return None
    if len(players) <= MOST_EXACT and len(there) == 2 ** len(players):
        return exact_design(players)
    return fitted_design(players, trained)


def subset_errors(found: Design, players: Sequence[str], outcomes: Mapping[frozenset[str], float]) -> list[float]:
    """Standard error [K] of fitted values from the choice of sets: the sandwich with residuals divided by
    1 - leverage (MacKinnon and White 1985, HC3)."""
    proper, k = found.sets[:-2], len(players)
    values_M = np.array([outcomes[one] for one in found.sets])
    phi_K = found.matrix_K_M @ values_M
    member_M_K = np.array([[float(player in one) for player in players] for one in proper])
    residual_M = values_M[:-2] - values_M[-2] - member_M_K @ phi_K
    x_M_J = member_M_K[:, :-1] - member_M_K[:, -1:]
    leverage_M = np.einsum("mj,jm->m", x_M_J, found.matrix_K_M[: k - 1, :-2])
    room_M = np.maximum(1 - leverage_M, 1e-6)
    error_K = np.sqrt(((found.matrix_K_M[:, :-2] * (residual_M / room_M)) ** 2).sum(axis=1))
    return [float(error) for error in error_K]
