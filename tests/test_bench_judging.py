"""The judging benchmark on a few prompts: its labels are the bare engine's, its last line is the promised JSON."""

from __future__ import annotations

import json
from typing import cast

import pytest

from benchmarks.judging import RATIOS, check_same, measure, report
from benchmarks.judging_sides import SIDES
from benchmarks.material import PRINCIPLES, pairs, principles
from generate.align import BLOCK_TOKENS
from generate.engine import Engine, ModelRef
from generate.engine_vllm import VllmRunner
from generate.tokens import load_tokenizer


@pytest.mark.vllm
def test_labels_are_the_bare_engines_and_the_last_line_is_json(
    vllm_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    two = principles().model_copy(update={"principles": principles().principles[:2]})
    found = measure(cast(VllmRunner, vllm_engine), two, repetitions=1, count=1, rival_count=1)
    report(found, two)
    (repetition,) = found
    assert {side: len(timed.logits) for side, timed in repetition.sides.items()} == {
        "ours": 4, "bare": 4, "principle_first": 4, "json_rationale": 4
    }  # fmt: skip
    assert 60 <= repetition.sides["json_rationale"].tokens_out <= 95
    assert None not in repetition.sides["json_rationale"].logits
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[1:4]] == list(RATIOS)
    last = json.loads(lines[-1])
    assert {name: round(repetition.ratio(side), 4) for name, side in RATIOS.items()} == last
    assert sum(line.startswith("agreement with") for line in lines) == len(SIDES) - 1


def test_a_label_that_differs_is_refused() -> None:
    check_same([0.1, -2.0], [0.1, -2.0001])
    for other in (-2.1, None, float("nan")):
        with pytest.raises(ValueError, match=r"label 1: -2\.0 by the judge"):
            check_same([0.1, -2.0], [0.1, other])


@pytest.mark.real_model
def test_the_material_has_the_lengths_it_says(bundled_model: ModelRef) -> None:
    tokenizer = load_tokenizer(bundled_model)
    sample = pairs(40, 0)
    tokens = [
        sum(len(tokenizer.encode(text)) for text in (pair.prompt.conversation[-1].content, pair.a.text, pair.b.text))
        for pair in sample
    ]
    assert 335 <= sum(tokens) / len(tokens) <= 365
    assert len({count % BLOCK_TOKENS for count in tokens}) > BLOCK_TOKENS / 2
    assert all(35 <= len(tokenizer.encode(text)) <= 45 for text in PRINCIPLES.values())
    assert pairs(40, 0) == sample
    assert {pair.key for pair in sample}.isdisjoint(pair.key for pair in pairs(40, 1))
