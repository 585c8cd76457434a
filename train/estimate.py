"""A mean over prompts with its interval, and a slope over pairs with one: what the watch-dogs measure with.

The unit is the prompt, because pairs of one prompt are not independent. Shapes: B pairs, X explaining columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from constitution.record import Record
from constitution.wording import plural

LEVEL = 0.95


class Estimate(Record):
    """A figure over held-out pairs, with its 95 % interval."""

    value: float
    """The estimate."""
    low: float | None
    """Lower end; None with fewer than 2 prompts."""
    high: float | None
    """Upper end."""
    n: int
    """Pairs, or single answers."""
    prompts: int
    """Different prompts among them."""

    def words(self, digits: int = 2) -> str:
        """`-1.20 [-2.10, -0.30], 16 pairs of 8 prompts`."""
        interval = "" if self.low is None else f" [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.value:.{digits}f}{interval}, {plural(self.n, 'pair')} of {plural(self.prompts, 'prompt')}"

    def as_share(self) -> Estimate:
        """The same with its interval cut to 0..1, where a mean of shares lies: that takes no coverage from it."""
        if self.low is None or self.high is None:
            return self
        return self.model_copy(update={"low": max(self.low, 0.0), "high": min(self.high, 1.0)})

    @property
    def negative(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high is not None and self.high < 0

    @property
    def positive(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low is not None and self.low > 0


def mean_over_prompts(values_B: Tensor, prompts: Sequence[str]) -> Estimate | None:
    """The mean of the prompts' means, with Student's t interval over prompts. NaN is left out; None if nothing is
    left."""
    groups: dict[str, list[float]] = {}
    for value, prompt in zip(values_B.tolist(), prompts, strict=True):
        if value == value:
            groups.setdefault(prompt, []).append(value)
    if not groups:
        return None
    means = torch.tensor([sum(group) / len(group) for group in groups.values()], dtype=torch.float64)
    error = float(means.std() / len(means) ** 0.5) if len(means) > 1 else None
    return _estimate(float(means.mean()), error, sum(map(len, groups.values())), len(groups))


def last_slope(values_B: Tensor, columns_B_X: Tensor, prompts: Sequence[str]) -> Estimate | None:
    """Least squares of `values_B` on the columns, without a constant: the last column's coefficient.

    Its interval is robust to pairs of one prompt going together (Liang and Zeger 1986), with Student's t on prompts - 1
    degrees. None where the columns do not determine it, or with no more prompts than columns.
    """
    names = sorted(set(prompts))
    if len(names) <= columns_B_X.shape[1] or int(torch.linalg.matrix_rank(columns_B_X)) < columns_B_X.shape[1]:
        return None
    inverse_X_X = torch.linalg.inv(columns_B_X.T @ columns_B_X)
    slopes_X = inverse_X_X @ columns_B_X.T @ values_B
    scores_B_X = columns_B_X * (values_B - columns_B_X @ slopes_X)[:, None]
    places = torch.tensor([names.index(prompt) for prompt in prompts])
    scores_P_X = scores_B_X.new_zeros(len(names), columns_B_X.shape[1]).index_add(0, places, scores_B_X)
    spread_X_X = inverse_X_X @ (scores_P_X.T @ scores_P_X) @ inverse_X_X * len(names) / (len(names) - 1)
    return _estimate(float(slopes_X[-1]), float(spread_X_X[-1, -1].sqrt()), len(values_B), len(names))


def _estimate(value: float, error: float | None, n: int, prompts: int) -> Estimate:
    if error is None:
        return Estimate(value=value, low=None, high=None, n=n, prompts=prompts)
    from scipy import stats

    reach = float(stats.t.ppf(0.5 + LEVEL / 2, prompts - 1)) * error
    return Estimate(value=value, low=value - reach, high=value + reach, n=n, prompts=prompts)
