"""What a prediction says of sampled answers: the score function, by hand and against a softmax that is really moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reports.trace.answers import Answers, changes, predict_answers, trust


def test_a_worked_example() -> None:
    """Prompt p: values 1 and 3, likelier by 0.5 and -0.5: (-1 x 0.5 + 1 x -0.5) / 1 = -1. Prompt q has one answer with
    the measure, so nothing to compare."""
    answers = Answers(
        ["p", "q", "p", "q"],
        {"words": torch.tensor([1.0, 5.0, 3.0, torch.nan], dtype=torch.float64)},
        torch.tensor([[1.0, 0.0], [9.0, 9.0], [-1.0, 0.0], [9.0, 9.0]]),
    )
    assert changes(answers, "words", torch.tensor([0.5, 7.0])).tolist() == [-1.0]


def test_its_mean_is_the_derivative_of_the_mean() -> None:
    """Three answers with logits theta: over all draws of two, the estimate's mean is d E[b], thanks to m - 1."""
    theta, values = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64), torch.tensor([1.0, 4.0, 2.0]).double()
    step = torch.tensor([1e-4, -2e-4, 3e-4], dtype=torch.float64)
    p = theta.softmax(0)
    wanted = float(((theta + step).softmax(0) - p) @ values)
    expected = 0.0
    for one in range(3):
        for two in range(3):
            pair = torch.tensor([one, two])
            gradients = torch.eye(3, dtype=torch.float64)[pair] - p
            answers = Answers(["x", "x"], {"b": values[pair]}, gradients)
            expected += float(p[one] * p[two]) * float(changes(answers, "b", step)[0])
    assert expected == pytest.approx(wanted, rel=1e-3)


def test_a_correction_is_trusted_as_far_as_it_is_more_than_noise() -> None:
    """Column 1: squares 4 and 4, noise 1 and 1: 3/4. Column 2: all noise. Column 3: nothing was missed."""
    missed_K_F = np.array([[2.0, 1.0, 0.0], [-2.0, 1.0, 0.0]])
    noise_K_F = np.array([[1.0, 3.0, 1.0], [1.0, 1.0, 1.0]])
    assert trust(missed_K_F, noise_K_F).tolist() == [0.75, 0.0, 0.0]


def test_a_predicted_mean_has_its_prompts_and_its_correction() -> None:
    """Prompt p: -1 as above, q: +1; with a correction of 0.5 the mean is 0.5. Now: (2 + 5) / 2."""
    answers = Answers(
        ["p", "p", "q", "q"],
        {"words": torch.tensor([1.0, 3.0, 4.0, 6.0], dtype=torch.float64)},
        torch.tensor([[1.0], [-1.0], [-1.0], [1.0]]),
    )
    moved_P = changes(answers, "words", torch.tensor([0.5]))
    found = predict_answers(answers, "words", moved_P, 0.5, seed=0)
    assert (found.now.estimate, found.now.n) == (3.5, 2)
    assert (found.change.estimate, found.change.n, found.correction) == (0.5, 2, 0.5)
