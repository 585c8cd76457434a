"""The effect of one label set against another, over seeds and held-out prompts, with its interval. Pure mathematics.

An effect is a mean over a table: one row a seed, one column a prompt, in each cell a difference between two trainings
of the same seed. Both are samples: other seeds and other prompts would have given another table. Its standard error is
that of the two-way layout with one value a cell (Cornfield and Tukey 1956), its degrees of freedom Satterthwaite's
(1946), its interval as wide as Student's t makes it. A hierarchical bootstrap that draws seeds and prompts alike with
replacement (Owen 2007, the pigeonhole bootstrap) gives the interval its lopsidedness; its own width would be too small,
as two or three seeds drawn with replacement vary less than seeds do.

Shapes: C effects, S seeds, P prompts, D draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from constitution.record import Record
from reports.statistics import Values, is_constant

POWER = 0.8


class Effect(Record):
    """A difference of two means over seeds and prompts."""

    estimate: float
    """The mean."""
    low: float | None
    """Lower end of the interval; None with fewer than two prompts."""
    high: float | None
    """Upper end."""
    p: float | None
    """Two-sided p-value of no effect."""
    p_holm: float | None = None
    """The same, adjusted for all effects that are tested together (Holm); None where it is not one of them."""
    detectable: float | None
    """The smallest effect that would have been found with 80 % power at the interval's level."""
    prompts: int = Field(ge=0)
    """Held-out prompts."""
    pairs: int = Field(ge=0)
    """Held-out pairs of them; for sampled text, answers of each label set at each seed."""
    seeds: int = Field(ge=1)
    """Seeds. With one, the interval knows nothing of how much another seed would change."""

    @property
    def covers_zero(self) -> bool | None:
        """Whether no effect at all is within the interval."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high


class Spread(NamedTuple):
    """The standard error of a table's mean, and its degrees of freedom."""

    error: float
    freedom: float


def spread(values_S_P: Values) -> Spread:
    """var/S of the seeds' means + var/P of the prompts' means - var/(S P) of the rest, never below either of the first
    two; for one seed var/P. Needs two prompts."""
    seeds, prompts = values_S_P.shape
    by_prompt_P = values_S_P.mean(axis=0)
    if seeds == 1:
        return Spread(float(by_prompt_P.std(ddof=1)) / float(np.sqrt(prompts)), prompts - 1)
    by_seed_S = values_S_P.mean(axis=1)
    a, b = float(by_seed_S.var(ddof=1)) / seeds, float(by_prompt_P.var(ddof=1)) / prompts
    rest_S_P = values_S_P - by_seed_S[:, None] - by_prompt_P[None, :] + values_S_P.mean()
    both = (seeds - 1) * (prompts - 1)
    e = float((rest_S_P**2).sum()) / both / (seeds * prompts)
    variance = max(a, b, a + b - e) or e
    if variance == 0:
        return Spread(0.0, seeds - 1)
    freedom = variance**2 / (a**2 / (seeds - 1) + b**2 / (prompts - 1) + e**2 / both)
    return Spread(float(np.sqrt(variance)), float(np.clip(freedom, seeds - 1, seeds + prompts - 2)))


def effects(values_C_S_P: Sequence[Values], pairs: int, resamples: int, level: float, seed: int) -> list[Effect]:
    """One effect a table; all tables have the same seeds and prompts, and are drawn from alike."""
    if not values_C_S_P:
        return []
    table_C_S_P = np.stack([np.asarray(values, dtype=np.float64) for values in values_C_S_P])
    assert np.isfinite(table_C_S_P).all(), "a missing value is left out before it gets here"
    _, seeds, prompts = table_C_S_P.shape
    if prompts < 2:
        counts = {"prompts": prompts, "pairs": pairs, "seeds": seeds}
        none = {"low": None, "high": None, "p": None, "detectable": None}
        return [Effect.model_validate({"estimate": float(t.mean()), **none, **counts}) for t in table_C_S_P]
    drawn_C_D = hierarchical_draws(table_C_S_P, resamples, seed)
    ends = (0.5 - level / 2, 0.5 + level / 2)
    quantiles_2_C = np.quantile(drawn_C_D, ends, axis=1)
    return [
        _effect(table, float(low), float(high), pairs, level)
        for table, low, high in zip(table_C_S_P, *quantiles_2_C, strict=True)
    ]


def hierarchical_draws(table_C_S_P: Values, resamples: int, seed: int) -> Values:
    """Means [C, D] of tables whose seeds and prompts were drawn with replacement, the same ones for all C."""
    _, seeds, prompts = table_C_S_P.shape
    draw = np.random.default_rng(seed)
    seeds_D_S = draw.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    prompts_D_P = draw.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples) / prompts
    means_C_D: Values = np.einsum("csd,ds->cd", table_C_S_P @ prompts_D_P.T, seeds_D_S)
    return means_C_D


def _effect(table_S_P: Values, drawn_low: float, drawn_high: float, pairs: int, level: float) -> Effect:
    from scipy import stats

    seeds, prompts = table_S_P.shape
    mean, (error, freedom) = float(table_S_P.mean()), spread(table_S_P)
    counts = {"prompts": prompts, "pairs": pairs, "seeds": seeds}
    if is_constant(table_S_P.ravel()):
        p = 1.0 if abs(mean) <= 1e-12 else 2.0 * 0.5**prompts
        return Effect(estimate=mean, low=mean, high=mean, p=p, detectable=None, **counts)
    t = stats.t(freedom)
    reach = float(t.ppf(0.5 + level / 2)) * error
    lean = (mean - drawn_low) / (drawn_high - drawn_low) if drawn_high > drawn_low else 0.5
    return Effect(
        estimate=mean,
        low=mean - 2 * reach * lean,
        high=mean + 2 * reach * (1 - lean),
        p=float(2 * t.sf(abs(mean) / error)),
        detectable=reach + float(t.ppf(POWER)) * error,
        **counts,
    )
