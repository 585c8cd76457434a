"""A whole training of a tiny model: what it learns, what it may not depend on, what it writes and refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file

from constitution.errors import DataError, ModelError
from constitution.progress import Tick
from constitution.store import Store
from generate.engine import ModelRef
from generate.records import Message
from tests.training import LORA, PRINCIPLES, make_pairs, save_tiny_model
from train.loop import train
from train.records import TrainItem, TrainPair
from train.reference import ReferenceLogps
from train.schedule import learning_rate, split, step_pairs
from train.settings import LoraSettings, TrainSettings
from train.summary import TrainSummary
from train.tokens import TokenPair

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = TrainSettings(
    lora=LORA, epochs=3, pairs_per_step=4, learning_rate=5e-3, heldout_fraction=0.2, log_every=4, row_tokens=300
)


class Outcome(NamedTuple):
    summary: TrainSummary
    lines: list[dict[str, Any]]
    weights: dict[str, torch.Tensor]
    ticks: list[Tick]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def run(
    folder: Path, model: ModelRef, pairs: Sequence[TrainItem] | None = None, seed: int = 5, **changes: object
) -> Outcome:
    ticks: list[Tick] = []
    settings = TrainSettings(**(SETTINGS.model_dump(exclude_unset=True) | changes))
    folder.mkdir(exist_ok=True)
    out, metrics = folder / "policy", folder / "metrics.jsonl"
    with Store(folder / "references.sqlite", ReferenceLogps) as store:
        summary = train(pairs or make_pairs(20), model, settings, seed, out, metrics, store, ticks.append)
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    weights = out / "adapter" / "adapter_model.safetensors" if settings.lora else out / "model.safetensors"
    return Outcome(summary, lines, load_file(weights), ticks)


def test_the_golden_trajectory(tmp_path: Path, model: ModelRef) -> None:
    """Learns its pairs: the loss falls from ln 2 and the margins rise, the same way every time."""
    found = run(tmp_path, model, epochs=8)
    losses = [line["loss"] for line in found.lines]
    assert found.summary.steps == len(losses) == 32
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert sum(losses[-4:]) / 4 < math.log(2) - 0.08
    margins = [line["margin"] for line in found.lines]
    assert margins[0] == pytest.approx(0, abs=1e-4)
    assert min(margins[-4:]) > 2
    assert found.lines[-1]["accuracy"] == 1.0
    again = run(tmp_path / "again", model, epochs=8)
    assert [line["loss"] for line in again.lines] == losses


def test_first_step_is_the_reference(tmp_path: Path, model: ModelRef) -> None:
    first = run(tmp_path, model).summary.first_step
    assert first.pairs == 4
    assert first.max_change <= first.tolerance
    assert first.expected_loss == pytest.approx(math.log(2), abs=1e-12)
    assert first.loss == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize(("length", "tau"), [("sum", 0.05), ("mean", 0.5)])
def test_ipo_starts_at_its_target_squared(tmp_path: Path, model: ModelRef, length: str, tau: float) -> None:
    found = run(tmp_path, model, loss="ipo", tau=tau, ipo_length=length, epochs=6)
    first = found.summary.first_step
    pairs = {pair.key: pair for pair in make_pairs(20)}
    targets = [((2 * pair.p - 1) / (2 * tau)) ** 2 for pair in pairs.values()]
    assert min(targets) <= first.expected_loss <= max(targets)
    assert first.loss == pytest.approx(first.expected_loss, rel=1e-4)
    losses = [line["loss"] for line in found.lines]
    assert sum(losses[-4:]) < 0.7 * sum(losses[:4])
    assert found.summary.loss == f"ipo ({length})"


def test_ipo_lengths_train_different_policies(tmp_path: Path, model: ModelRef) -> None:
    summed = run(tmp_path / "sum", model, loss="ipo", tau=0.1, ipo_length="sum")
    averaged = run(tmp_path / "mean", model, loss="ipo", tau=0.1, ipo_length="mean")
    name = next(iter(summed.weights))
    assert not torch.equal(summed.weights[name], averaged.weights[name])


@pytest.mark.parametrize("row_tokens", [1, 5000])
def test_rows_do_not_change_the_result(tmp_path: Path, model: ModelRef, row_tokens: int) -> None:
    """Gradients are averaged over pairs, so how they are packed does not matter, also in a last, smaller step."""
    pairs = make_pairs(21)
    base = run(tmp_path / "base", model, pairs)
    other = run(tmp_path / "other", model, pairs, row_tokens=row_tokens)
    assert len({line["n"] for line in base.lines}) == 2
    for mine, theirs in zip(base.lines, other.lines, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)


def test_the_saved_policy_is_the_trained_one(tmp_path: Path, model: ModelRef) -> None:
    """Merged weights, loaded by transformers alone, give the held-out margin that training reported."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = run(tmp_path, model, epochs=6)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "policy")
    policies = [AutoModelForCausalLM.from_pretrained(path) for path in (tmp_path / "policy", model.path)]
    heldout = split([TokenPair(pair, [], [], []) for pair in make_pairs(20)], 0.2).heldout
    losses = []
    for pair in (tokens.pair for tokens in heldout):
        prompt = [message.model_dump() for message in pair.conversation]
        logps = []
        for policy in policies:
            for answer in (pair.a, pair.b):
                chat = [*prompt, {"role": "assistant", "content": answer}]
                start = len(tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False))
                ids = torch.tensor([tokenizer.apply_chat_template(chat, return_dict=False)])
                scores = policy(ids).logits.detach()[0, start - 1 : -1].log_softmax(-1)
                logps.append(float(scores.gather(1, ids[0, start:, None]).sum()))
        h = (logps[0] - logps[2]) - (logps[1] - logps[3])
        losses.append(math.log1p(math.exp(0.1 * h)) - pair.p * 0.1 * h)
    assert found.summary.heldout
    assert found.summary.heldout.n == len(losses) == 4
    assert found.summary.heldout.loss == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    assert not list((tmp_path / "policy").glob(".*"))


def test_metrics_follow_every_principle(tmp_path: Path, model: ModelRef) -> None:
    found = run(tmp_path, model)
    assert [line["step"] for line in found.lines if "heldout_loss" in line] == [4, 8, 12]
    for line in found.lines:
        assert set(line["batch_principles"]) == set(PRINCIPLES)
    last = found.lines[-1]
    assert set(last["principles"]) == set(PRINCIPLES)
    assert {figures["n"] for figures in last["principles"].values()} == {4}
    assert last["heldout_n"] == found.summary.heldout_pairs == 4
    assert [tick.done for tick in found.ticks if tick.what == "training"] == list(range(1, 13))


def test_references_are_computed_once(tmp_path: Path, model: ModelRef) -> None:
    first = run(tmp_path, model)
    assert [tick.done for tick in first.ticks if tick.what == "reference"] == [0, 20]
    more = run(tmp_path, model, make_pairs(24), loss="ipo", tau=0.3)
    assert [tick.done for tick in more.ticks if tick.what == "reference"] == [20, 24]
    again = run(tmp_path, model, seed=6)
    assert [tick for tick in again.ticks if tick.what == "reference"] == []


def test_a_finished_training_is_not_repeated(tmp_path: Path, model: ModelRef) -> None:
    first = run(tmp_path, model)
    again = run(tmp_path, model)
    assert again.summary == first.summary
    assert again.ticks == []
    other = run(tmp_path, model, beta=0.2)
    assert other.summary.inputs != first.summary.inputs
    assert other.ticks


def test_wrong_references_are_noticed(tmp_path: Path, model: ModelRef) -> None:
    run(tmp_path, model)
    with Store(tmp_path / "references.sqlite", ReferenceLogps) as store:
        keys = [row[0] for row in store._open.execute("SELECT key FROM records")]
        store.put({key: ReferenceLogps(a=kept.a + 0.5, b=kept.b) for key, kept in store.get(keys).items()})
    with pytest.raises(ModelError, match="must equal its reference"):
        run(tmp_path, model, seed=9)


def test_only_upper_layers_are_trained(tmp_path: Path, model: ModelRef) -> None:
    lora = LoraSettings(r=2, upper_layers=2, target_modules=("q_proj", "down_proj"))
    found = run(tmp_path, model, lora=lora.model_dump())
    layers = {name.split("layers.")[1].split(".")[0] for name in found.weights}
    assert layers == {"1", "2"}
    assert found.summary.parameters == sum(weight.numel() for weight in found.weights.values())


@pytest.mark.parametrize(
    ("lora", "message"),
    [(LoraSettings(upper_layers=4), "has only 3 layers"), (LoraSettings(target_modules=("nothing",)), "does not fit")],
)
def test_adapters_that_do_not_fit_are_refused(
    tmp_path: Path, model: ModelRef, lora: LoraSettings, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        run(tmp_path, model, lora=lora.model_dump())


def test_nothing_to_train_on_says_why(tmp_path: Path, model: ModelRef) -> None:
    with pytest.raises(DataError, match="20 given, 20 longer than max_length"):
        run(tmp_path, model, max_length=10)


def test_left_out_pairs_are_counted(tmp_path: Path, model: ModelRef) -> None:
    pairs = make_pairs(20)
    pairs[0] = pairs[0].model_copy(update={"b": pairs[0].a})
    found = run(tmp_path, model, pairs).summary
    assert found.left_out == {"both answers are the same tokens": 1}
    assert found.pairs + found.heldout_pairs == 19
    assert "left out: 1 both answers are the same tokens" in found.lines()[0]


def _tokens(index: int, prompt: str) -> TokenPair:
    conversation = (Message(role="user", content="x"),)
    return TokenPair(
        TrainPair(key=f"{index:03d}", prompt_id=prompt, conversation=conversation, a="a", b="b", p=1), [1], [2], [3]
    )


def test_all_pairs_of_a_prompt_stay_on_one_side() -> None:
    pairs = [_tokens(i, f"prompt-{i % 30}") for i in range(90)]
    parts = split(pairs, 0.1)
    train_prompts = {tokens.pair.prompt_id for tokens in parts.train}
    heldout_prompts = {tokens.pair.prompt_id for tokens in parts.heldout}
    assert len(heldout_prompts) == 3
    assert not train_prompts & heldout_prompts
    assert len(parts.train) + len(parts.heldout) == 90
    assert split(pairs[::-1], 0.1) == parts
    assert split(pairs, 0.0).heldout == []
    assert len(split(pairs[:1], 0.5).train) == 1


def test_every_epoch_sees_every_pair_once() -> None:
    pairs = [_tokens(i, f"prompt-{i}") for i in range(10)]
    epochs = [[step_pairs(pairs, SETTINGS, 1, step) for step in range(e * 3, e * 3 + 3)] for e in range(2)]
    for epoch in epochs:
        assert [len(step) for step in epoch] == [4, 4, 2]
        assert sorted(tokens.pair.key for step in epoch for tokens in step) == [f"{i:03d}" for i in range(10)]
    assert epochs[0] != epochs[1]
    assert step_pairs(pairs, SETTINGS, 2, 0) != epochs[0][0]


def test_learning_rate_rises_then_falls() -> None:
    linear = TrainSettings(learning_rate=1.0, warmup_ratio=0.2, schedule="linear")
    rates = [learning_rate(step, 10, linear) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    cosine = TrainSettings(learning_rate=2.0, warmup_ratio=0.0, schedule="cosine")
    assert [learning_rate(step, 4, cosine) for step in (0, 2)] == pytest.approx([2.0, 1.0])
    constant = TrainSettings(learning_rate=3.0, warmup_ratio=0.0, schedule="constant")
    assert [learning_rate(step, 4, constant) for step in range(4)] == [3.0] * 4
