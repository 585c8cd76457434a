"""The cost model against numbers worked out by hand, and the measurement of its parameters on a few pairs."""

from __future__ import annotations

import pytest

from benchmarks.scaling import measured
from benchmarks.scaling_model import (
    Accelerator,
    Host,
    Load,
    Work,
    accelerators_that_wait,
    from_two_loads,
    hours,
    store_bytes,
    tokens,
)
from generate.engine import ModelRef

WORK = Work(
    prompts=1_000,
    samples=4,
    pairs_a_prompt=2,
    principles=16,
    orders=2,
    prompt_tokens=100,
    answer_tokens=200,
    pair_tokens=600,
    principle_tokens=40,
    generated=5,
    epochs=2,
)
ACCELERATOR = Accelerator(prefill=50_000, decode=10_000, train=2_000)
HOST = Host(votes_planned=16_000, votes_stored=4_000, votes_labelled=8_000, bytes_a_vote=1_000)


def test_tokens_by_hand() -> None:
    assert (WORK.pairs, WORK.votes) == (2_000, 64_000)
    found = tokens(WORK)
    assert found.sample_prefill == 100_000
    assert found.sample_decode == 800_000
    # 2,000 pairs x 2 orders x (600 + 16 x 40), and x 16 x 640 where nothing is shared.
    assert found.judge_prefill == 4_000 * 1_240
    assert found.judge_unshared == 4_000 * 16 * 640
    assert found.judge_decode == 320_000
    assert found.train == 1_000 * 500 * 2


def test_hours_by_hand() -> None:
    found = hours(WORK, ACCELERATOR, 4, HOST)
    assert found.sample * 3600 == pytest.approx((2 + 80) / 4)
    assert found.judge * 3600 == pytest.approx((99.2 + 32) / 4)
    assert found.plan * 3600 == pytest.approx(8)
    assert found.store * 3600 == pytest.approx(16)
    assert found.label * 3600 == pytest.approx(8)
    # Two epochs of 500,000 tokens, and a third of one for the reference.
    assert found.train * 3600 == pytest.approx((1_000_000 + 500_000 / 3) / 2_000 / 4)
    assert found.slowest == "train"
    assert found.total * 3600 == pytest.approx(20.5 + 8 + 32.8 + 8 + 145.8333333)
    assert store_bytes(WORK, HOST) == 64_000_000


def test_with_many_accelerators_the_host_is_what_is_waited_for() -> None:
    assert accelerators_that_wait(WORK, ACCELERATOR, HOST) == pytest.approx(131.2 / 16)
    few, many = hours(WORK, ACCELERATOR, 8, HOST), hours(WORK, ACCELERATOR, 512, HOST)
    assert few.judge > few.store
    assert many.judge < many.store
    assert many.slowest == "store"
    assert many.total > few.total / 64


def test_two_published_loads_give_back_the_rates_that_made_them() -> None:
    def load(given: float, made: float) -> Load:
        seconds = given / 60_000 + made / 20_000
        return Load(given, made, made / seconds)

    prefill, decode = from_two_loads(load(2048, 128), load(128, 2048))
    assert prefill == pytest.approx(60_000)
    assert decode == pytest.approx(20_000)


def test_the_parameters_are_measured_on_real_votes(bundled_model: ModelRef) -> None:
    found = measured(bundled_model, pairs=6)
    assert found.host.votes_stored > 10
    assert found.host.votes_planned > 10
    assert found.host.votes_labelled > 10
    assert 300 < found.host.bytes_a_vote < 5_000
    # Answers of 115 to 150 words (benchmarks/material.py), and the template's own words around them.
    assert 400 < found.pair_tokens < 700
    assert 20 < found.principle_tokens < 60
