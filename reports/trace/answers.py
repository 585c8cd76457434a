"""What an edited constitution would do to sampled answers: the same replay, read through the answers there are.

With b(y) a measure of an answer and y drawn from the run's policy, the first-order change of its mean when the weights
move by d is the score-function (REINFORCE) derivative, Williams 1992, with the prompt's own mean as baseline:

    E_x [ 1 / (m - 1) sum_i (b(y_i) - mean_j b(y_j)) (d log pi(y_i) . d) ]        m answers to each prompt

m - 1 because the baseline holds the answer itself. It is unbiased, but noisy where there are few answers.

Shapes: A answers, C coordinates, K principles, F behaviours.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reports.statistics import Values, paired_bootstrap, smallest_detectable
from reports.trace.records import PredictedAnswers
from reports.trace.whatif import prompt_means

Table: TypeAlias = NDArray[np.float64]
RESAMPLES = 2000


class Answers(NamedTuple):
    """The run's own answers: each one's prompt, its measures by behaviour, and d log pi of it [A, C]."""

    prompts: list[str]
    values: dict[str, Tensor]
    gradients_A_C: Tensor


def changes(answers: Answers, behaviour: str, away_C: Tensor) -> Values:
    """The predicted change of the behaviour's mean on every prompt with two or more answers, in its own units; `away_C`
    is the weights' difference times what each coordinate stands for. NaN in `values` is an answer without the measure.
    """
    likelier_A = (answers.gradients_A_C @ away_C).double()
    values_A, found = answers.values[behaviour], []
    for prompt in dict.fromkeys(answers.prompts):
        here = torch.tensor([one == prompt for one in answers.prompts]) & ~values_A.isnan()
        if int(here.sum()) > 1:
            centred = values_A[here] - values_A[here].mean()
            found.append(float((centred * likelier_A[here]).sum() / (int(here.sum()) - 1)))
    return np.array(found)


def predict_answers(
    answers: Answers, behaviour: str, moved_P: Values, correction: float, seed: int
) -> PredictedAnswers:
    """A behaviour's mean now, and its predicted change (`changes`) plus `correction`, over prompts with two answers or
    more."""
    change_P = moved_P + correction
    now_P = prompt_means(answers.prompts, answers.values[behaviour])
    return PredictedAnswers(
        behaviour=behaviour,
        now=paired_bootstrap(now_P, RESAMPLES, 0.95, seed),
        change=paired_bootstrap(change_P, RESAMPLES, 0.95, seed),
        detectable=smallest_detectable(change_P, 0.95),
        correction=correction,
    )


def trust(missed_K_F: Table, noise_K_F: Table) -> Table:
    """How much of what predictions missed at K retrainings is more than the noise of the retrainings' own answers [F].

    1 - mean noise variance / mean square, and never below 0: positive-part James-Stein shrinkage towards no correction
    (Efron and Morris 1973, JASA 68:117). `noise_K_F` are variances.
    """
    square_F = np.square(missed_K_F).mean(0)
    share_F = noise_K_F.mean(0) / np.where(square_F > 0, square_F, 1.0)
    return np.where(square_F > 0, np.maximum(0.0, 1.0 - share_F), 0.0)
