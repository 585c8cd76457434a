"""How far predictions are from real retrainings: rank and size, with their n and intervals.

LDS is the linear datamodeling score (Park et al. 2023, arXiv 2303.14186, section 2) with principles in the place of
training data: the Spearman correlation, over label sets, of the predicted and the retrained behaviour; its mean over
behaviours. The size error is the mean |predicted - retrained| change over the mean |retrained| change.
"""

from __future__ import annotations

import warnings
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from constitution.record import Record
from constitution.wording import plural

Table: TypeAlias = NDArray[np.float64]
RESAMPLES = 1000
FEWEST = 4
"""Label sets below which a rank correlation says nothing."""


class Fidelity(Record):
    """Predictions against retrainings, over label sets."""

    lds: float
    """Mean Spearman correlation over behaviours."""
    low: float
    """Lower end of its 95 % percentile bootstrap interval over label sets."""
    high: float
    """Upper end."""
    size_error: float | None
    """Mean error over mean effect; None where no retraining changed anything."""
    sets: int
    """Label sets."""
    behaviours: int
    """Behaviours."""
    by_behaviour: tuple[float, ...]
    """Spearman correlation of each."""


def fidelity(predicted_M_F: Table, retrained_M_F: Table, real_F: Table, seed: int = 0) -> Fidelity | None:
    """Over M label sets and F behaviours; `real_F` is the run's own. None with fewer than FEWEST label sets."""
    count, behaviours = retrained_M_F.shape
    if count < FEWEST:
        return None
    draws = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    resampled = [float(np.mean(_ranks(predicted_M_F[draw], retrained_M_F[draw]))) for draw in draws]
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    each = _ranks(predicted_M_F, retrained_M_F)
    effect = float(np.abs(retrained_M_F - real_F).mean())
    error = float(np.abs(predicted_M_F - retrained_M_F).mean())
    return Fidelity(
        lds=float(np.mean(each)),
        low=float(low),
        high=float(high),
        size_error=error / effect if effect > 0 else None,
        sets=count,
        behaviours=behaviours,
        by_behaviour=tuple(each),
    )


def _ranks(predicted_M_F: Table, retrained_M_F: Table) -> list[float]:
    from scipy.stats import spearmanr

    with warnings.catch_warnings():
        # A resample in which a behaviour never varies has no rank: counted as no correlation.
        warnings.simplefilter("ignore")
        found = [
            spearmanr(predicted_M_F[:, column], retrained_M_F[:, column]).statistic
            for column in range(retrained_M_F.shape[1])
        ]
    return [0.0 if np.isnan(one) else float(one) for one in found]


def words(found: Fidelity | None) -> str:
    """`LDS 0.95 [0.91, 0.97], size error 0.34, 32 retrained label sets, 8 behaviours`."""
    if found is None:
        return f"not measured for this run: fewer than {FEWEST} retrained label sets (`preceptor ablate --subsets`)"
    size = "no size error, since nothing changed" if found.size_error is None else f"size error {found.size_error:.2f}"
    return (
        f"LDS {found.lds:.3f} [{found.low:.3f}, {found.high:.3f}], {size}, "
        f"{plural(found.sets, 'retrained label set')}, {plural(found.behaviours, 'behaviour')}"
    )
