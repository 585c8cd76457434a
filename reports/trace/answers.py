"""What an edited constitution would do to sampled answers: the same replay, read through the answers there are.

With b(y) a measure of an answer and y drawn from the run's policy, the first-order change of its mean when the weights
move by d is the score-function (REINFORCE) derivative, Williams 1992, with the prompt's own mean as baseline:

    E_x [ 1 / (m - 1) sum_i (b(y_i) - mean_j b(y_j)) (d log pi(y_i) . d) ]        m answers to each prompt

m - 1 because the baseline holds the answer itself. It is unbiased, but noisy where there are few answers.

Shapes: A answers, C coordinates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Answers(NamedTuple):
    """The run's own answers: each one's prompt, its measures by behaviour, and d log pi of it [A, C]."""

    prompts: list[str]
    values: dict[str, Tensor]
    gradients_A_C: Tensor


def changes(answers: Answers, behaviour: str, away_C: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
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
