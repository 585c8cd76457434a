"""Figures over pairs against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generate.records import Message
from judge.records import Share
from train.losses import PairLoss, Scores, pair_loss
from train.metrics import Moved, figures, labels
from train.records import TrainPair
from train.settings import TrainSettings

IPO = pair_loss(TrainSettings(loss="ipo", tau=0.5))
DPO = pair_loss(TrainSettings(loss="dpo", beta=0.1))


def pair(p: float, **p_k: tuple[float, float]) -> TrainPair:
    """`p_k`: principle -> (weight, p)."""
    return TrainPair(
        key="k",
        prompt_id="x",
        conversation=(Message(role="user", content="?"),),
        a="a",
        b="b",
        p=p,
        shares=tuple(Share(principle=name, weight=weight, p=value) for name, (weight, value) in p_k.items()),
    )


def moved(pairs: list[TrainPair], changes: list[list[float]], loss: PairLoss) -> Moved:
    changes_B_2 = torch.tensor(changes, dtype=torch.float64)
    h_B, lengths_B_2 = changes_B_2[:, 0] - changes_B_2[:, 1], torch.full((len(pairs), 2), 4)
    losses_B = loss.value(Scores(changes_B_2, lengths_B_2), labels(pairs))
    return Moved(list(pairs), losses_B, h_B, changes_B_2, lengths_B_2)


def test_figures_by_hand() -> None:
    pairs = [
        pair(0.75, short=(0.5, 1.0), kind=(0.5, 0.5)),
        pair(0.2, short=(1.0, 0.2)),
        pair(0.5, kind=(1.0, 0.5)),
    ]
    found = figures(moved(pairs, [[1.0, -1.0], [0.5, -0.5], [3.0, 0.0]], IPO), IPO)
    # h = 2, 1, 3; targets 2p - 1 = 0.5, -0.6, 0.
    assert found.n == 3
    assert found.loss == pytest.approx((1.5**2 + 1.6**2 + 3**2) / 3)
    assert found.margin == pytest.approx((2 - 1) / 2)
    assert found.accuracy == 0.5
    assert found.chosen_change == pytest.approx((1.0 - 0.5) / 2)
    assert found.rejected_change == pytest.approx((-1.0 + 0.5) / 2)
    short, kind = found.principles["short"], found.principles["kind"]
    assert (short.n, short.decided, short.accuracy) == (2, 2, 0.5)
    assert short.margin == pytest.approx((1.0 * 2 - 0.6 * 1) / 2)
    assert (kind.n, kind.decided, kind.accuracy) == (2, 0, None)
    assert kind.margin == 0
    # dL/dh = 2 (h - (2p-1)): 3, 3.2, 6; short: 0.5 * 2 (2 - 1) and 3.2; kind: 0.5 * 2 (2 - 0) and 6.
    assert short.pull == pytest.approx((1 + 3.2) / 3)
    assert kind.pull == pytest.approx((2 + 6) / 3)


def test_a_tie_counts_half() -> None:
    found = figures(moved([pair(0.9), pair(0.9)], [[0.0, 0.0], [1.0, 0.0]], DPO), DPO)
    assert found.accuracy == 0.75


def test_undecided_pairs_have_no_preferred_answer() -> None:
    found = figures(moved([pair(0.5)], [[1.0, 0.0]], DPO), DPO)
    assert (found.margin, found.accuracy, found.chosen_change) == (None, None, None)


def test_no_pull_is_claimed_where_shares_do_not_make_the_label() -> None:
    """As with a majority rule: the split over principles would not be exact."""
    found = figures(moved([pair(1.0, short=(0.5, 0.9), kind=(0.5, 0.6))], [[1.0, 0.0]], DPO), DPO)
    assert found.principles["short"].pull is None
    assert found.principles["short"].margin == pytest.approx(0.8)


votes = st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 1)), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.floats(-30, 30), votes), min_size=1, max_size=5))
@pytest.mark.parametrize("loss", [DPO, IPO], ids=["dpo", "ipo"])
def test_pulls_add_up_to_the_mean_slope(loss: PairLoss, drawn: list[tuple[float, list[tuple[float, float]]]]) -> None:
    pairs, changes = [], []
    for h, raw in drawn:
        total = sum(weight for weight, _ in raw)
        shares = {f"p{k}": (weight / total, value) for k, (weight, value) in enumerate(raw)}
        pairs.append(pair(min(1.0, sum(weight * value for weight, value in shares.values())), **shares))
        changes.append([h, 0.0])
    data = moved(pairs, changes, loss)
    assert loss.slope is not None
    slopes = loss.slope(data.h_B, torch.tensor([one.p for one in pairs], dtype=torch.float64)).abs()
    pulls = [figure.pull for figure in figures(data, loss).principles.values()]
    assert sum(pull for pull in pulls if pull is not None) == pytest.approx(float(slopes.mean()), abs=1e-6)
