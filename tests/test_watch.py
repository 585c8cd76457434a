"""Watch-dogs: each against numbers worked out by hand or by scipy, silent when nothing is wrong, in a real training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from scipy import stats

from generate.engine import ModelRef
from generate.records import Message
from judge.records import Share
from tests.test_train import model, run  # noqa: F401  (fixture)
from tests.training import make_pairs
from train.estimate import last_slope, mean_over_prompts
from train.metrics import Moved
from train.records import TrainPair, TrainSingle
from train.reference import ReferenceLogps
from train.tokens import LeftOut, Tokenised, TokenPair
from train.watch import Watched, watch
from train.watch_data import data_warnings, size_warnings

pytestmark = pytest.mark.usefixtures("one_thread")


def pair(index: int, p: float = 0.9, **votes: float) -> TrainPair:
    return TrainPair(
        key=f"pair-{index}",
        prompt_id=f"prompt-{index}",
        conversation=(Message(role="user", content="?"),),
        a="a",
        b="b",
        p=p,
        shares=tuple(Share(principle=name, weight=1 / len(votes), p=value) for name, value in votes.items()),
    )


def seen(
    pairs: list[TrainPair], changes: list[list[float]], lengths: list[list[int]] | None = None, logp: float = -8.0
) -> dict[str, Watched]:
    """What the watch-dogs see; answers of 8 tokens, each with `logp` under the reference, if nothing else is said."""
    changes_B_2 = torch.tensor(changes, dtype=torch.float64)
    lengths_B_2 = torch.tensor(lengths or [[8, 8]] * len(pairs))
    h_B = changes_B_2[:, 0] - changes_B_2[:, 1]
    moved = Moved(list(pairs), torch.zeros(len(pairs)), h_B, changes_B_2, lengths_B_2)
    references = {one.key: ReferenceLogps(a=logp, b=logp) for one in pairs}
    return {one.name: one for one in watch(moved, references, "held-out pairs")}


def test_a_mean_over_prompts_has_students_interval() -> None:
    found = mean_over_prompts(torch.tensor([1.0, 3.0, 5.0, torch.nan, 6.0]), ["x", "x", "y", "y", "z"])
    assert found
    by_prompt = [2.0, 5.0, 6.0]
    low, high = stats.t.interval(0.95, 2, loc=sum(by_prompt) / 3, scale=stats.sem(by_prompt))
    assert (found.value, found.n, found.prompts) == (pytest.approx(13 / 3), 4, 3)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    alone = mean_over_prompts(torch.tensor([1.0]), ["x"])
    assert alone
    assert alone.low is None
    assert mean_over_prompts(torch.tensor([torch.nan]), ["x"]) is None


def test_a_slope_by_hand() -> None:
    """Through the origin, y = 2x but for the residuals 0, 0.5, -0.5, -0.1: the sandwich of one pair a prompt."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    y = 2 * x + torch.tensor([0.0, 0.5, -0.5, -0.1], dtype=torch.float64)
    found = last_slope(y, x[:, None], ["p", "q", "r", "s"])
    assert found
    slope = float((x * y).sum() / (x * x).sum())
    assert found.value == pytest.approx(slope)
    error = float((x * (y - slope * x)).square().sum().sqrt() / (x * x).sum() * (4 / 3) ** 0.5)
    assert found.high == pytest.approx(slope + error * stats.t.ppf(0.975, 3))
    assert last_slope(y, torch.zeros(4, 1, dtype=torch.float64), ["p", "q", "r", "s"]) is None


def test_nothing_wrong_says_nothing() -> None:
    found = seen([pair(i, short=0.9) for i in range(6)], [[1.0 + 0.1 * i, -1.0] for i in range(6)])
    assert [one.warnings for one in found.values()] == [()] * 5
    assert found["displacement"].figure
    assert found["displacement"].figure.value == pytest.approx(1.25)
    assert found["ranking"].figure
    assert found["ranking"].figure.value == 1.0
    half = seen([pair(0), pair(1, 0.5), pair(2)], [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])["ranking"].figure
    assert half
    assert (half.value, half.n) == (0.75, 2)
    assert (half.low, half.high) == (0.0, 1.0), "the t interval of 1/2 and 1 reaches beyond what a share can be"


def test_displacement_names_the_principles_whose_answers_fell() -> None:
    """The chosen answer is `a`, which `kind` wants too; `short` wants `b`, which rose."""
    pairs = [pair(i, kind=0.9, short=0.2) for i in range(6)]
    found = seen(pairs, [[-3.0 - 0.1 * i, 0.5 + 0.1 * i] for i in range(6)])["displacement"]
    (said,) = found.warnings
    assert "the preferred answers became less likely (nats: -3.25 [" in said
    assert "6 pairs of 6 prompts" in said
    assert "preferred by `kind` -3.25" in said
    assert found.principles["short"].value == pytest.approx(0.75)


def test_against_needs_an_interval_below_zero() -> None:
    pairs = [pair(i, kind=0.9, short=0.1) for i in range(6)]
    against = seen(pairs, [[2.0 + 0.1 * i, 0.0] for i in range(6)])["against"]
    (said,) = against.warnings
    assert said.startswith("`short`: the policy moved against it (margin -1.80 [")
    # The same mean with a spread so wide that it may be chance.
    unsure = seen(pairs, [[2.25 + 30 * (-1) ** i, 0.0] for i in range(6)])["against"]
    assert unsure.principles["short"].value == pytest.approx(-1.8)
    assert unsure.warnings == ()


def test_length_is_told_from_what_the_labels_ask() -> None:
    """Labels that prefer the longer answer explain a margin that grows with them; alone, length does not."""
    lengths = [[8 + i, 8] for i in (-6, -4, -2, 2, 4, 6, 8, -7)]
    extra = [a - b for a, b in lengths]
    unrelated = [pair(i, 0.9 if i % 2 else 0.1, kind=0.9 if i % 2 else 0.1) for i in range(8)]
    drifting = seen(unrelated, [[0.5 * x + 0.01 * (i % 3), 0.0] for i, x in enumerate(extra)], lengths)["length"]
    assert drifting.figure
    assert drifting.figure.value == pytest.approx(0.5, abs=0.02)
    assert "longer answers gained more than their labels say, 0.50" in drifting.warnings[0]
    assert "votes for the longer answer: `kind`" in drifting.warnings[0]
    as_told = seen(unrelated, [[(4 if i % 2 else -4) + 0.01 * (i % 3), 0.0] for i in range(8)], lengths)["length"]
    assert as_told.warnings == ()
    assert seen(unrelated[:2], [[1.0, 0.0]] * 2)["length"].figure is None


def test_a_weak_reference() -> None:
    pairs = [pair(i, kind=0.9) for i in range(4)]
    changes = [[1.0, 0.0]] * 4
    lengths = [[8, 8], [8, 7], [9, 8], [8, 8]]
    strong, weak = (seen(pairs, changes, lengths, logp)["weak_reference"] for logp in (-12.0, -40.0))
    assert strong.warnings == ()
    assert "the reference finds the preferred answers unlikely, -4.86" in weak.warnings[0]
    assert weak.principles["kind"].n == 4


def test_single_answers_are_watched_where_they_can_be() -> None:
    singles = [
        TrainSingle(
            key=str(i), prompt_id=str(i), conversation=(Message(role="user", content="?"),), text="x", p=float(i % 2)
        )
        for i in range(6)
    ]
    changes_B_2 = torch.tensor([[-2.0 - 0.1 * i, torch.nan] for i in range(6)], dtype=torch.float64)
    nothing_B = torch.full((6,), torch.nan, dtype=torch.float64)
    moved = Moved(list(singles), torch.zeros(6), nothing_B, changes_B_2, torch.tensor([[8, 0]] * 6))
    found = {one.name: one for one in watch(moved, {}, "held-out pairs")}
    assert found["displacement"].figure
    assert (found["displacement"].figure.n, found["displacement"].figure.value) == (3, pytest.approx(-2.3))
    assert found["against"].figure is found["length"].figure is found["weak_reference"].figure is None


def test_pairs_that_could_not_be_used_are_told_by_principle() -> None:
    usable = [TokenPair(pair(i, kind=0.9), [1], [2], [3]) for i in range(6)]
    long = [LeftOut(pair(10 + i, short=0.9, kind=0.5), "longer than max_length") for i in range(3)]
    (said,) = data_warnings(Tokenised(usable, long, 0), 512)
    assert said == (
        "3 of 9 pairs were left out (longer than max_length; train.max_length is 512); "
        "votes lost: `short` 3 of 3, `kind` 3 of 9"
    )
    assert data_warnings(Tokenised(usable, [], 2), 512) == ["2 of 6 pairs were cut to train.max_length, 512 tokens"]
    assert data_warnings(Tokenised(usable, [], 0), 512) == []


def test_few_pairs_are_said() -> None:
    assert size_warnings(10, 0) == size_warnings(100, 10) == []
    assert size_warnings(9, 1) == [
        "only 9 pairs to train on: as many others may well teach something else",
        "only 1 pair held out: figures on so few say little about others",
    ]


def test_a_training_is_watched(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    """Trained against a principle that every held-out label contradicts: it is named, in summary and metrics."""
    contrary = Share(principle="contrary", weight=0.0, p=0.0)
    pairs = [one.model_copy(update={"shares": (*one.shares, contrary)}) for one in make_pairs(48, hard=True)]
    found = run(tmp_path, model, pairs, epochs=6, heldout_fraction=0.4)
    assert any(said.startswith("`contrary`: the policy moved against it") for said in found.summary.warnings)
    by_name = {one.name: one for one in found.summary.watched}
    right = by_name["ranking"].figure
    assert right
    said = f"; share ranked as labelled {right.words()}; margin (2p - 1) h in nats "
    assert any(said in line for line in found.summary.lines())
    assert set(by_name) == {"ranking", "displacement", "against", "length", "weak_reference"}
    assert set(by_name["against"].principles) == {"contrary", "kind", "plain", "short"}
    line = found.lines[-1]["watch"]["against"]
    assert (line["figure"]["n"], line["figure"]["prompts"]) == (found.summary.heldout_pairs, 10)
    assert line["principles"]["contrary"]["high"] < 0
    assert json.dumps(found.lines[-1], allow_nan=False)


def test_without_held_out_pairs_the_last_steps_are_watched(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    found = run(tmp_path, model, heldout_fraction=0.0, epochs=2)
    assert found.summary.heldout is None
    figure = next(one.figure for one in found.summary.watched if one.name == "displacement")
    assert figure
    assert 0 < figure.n <= 4
