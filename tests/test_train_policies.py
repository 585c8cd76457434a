"""What can be trained and how: losses, all weights or adapters, precision, early stop, single answers, long pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from constitution.errors import DataError, ModelError
from generate.engine import ModelRef
from generate.records import Message
from tests.test_train import model, run  # noqa: F401  (fixture)
from tests.training import LORA, make_pairs
from train.records import TrainPair, TrainSingle
from train.settings import LOSS_SETTINGS, EarlyStop, TrainSettings

pytestmark = pytest.mark.usefixtures("one_thread")

FULL: dict[str, Any] = {"lora": None, "learning_rate": 2e-3, "epochs": 6}


def singles(count: int = 16) -> list[TrainSingle]:
    """The answers of the tests' pairs, one by one: short ones liked, long ones not."""
    return [
        TrainSingle(
            key=f"{pair.key} {side}",
            prompt_id=pair.prompt_id,
            conversation=pair.conversation,
            text=pair.a if side == "a" else pair.b,
            p=float(side == "a"),
        )
        for index, pair in enumerate(make_pairs(count))
        for side in ("a" if index % 2 else "b",)
    ]


def refused(**settings: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TrainSettings.model_validate(settings)
    return str(caught.value)


@pytest.mark.parametrize("loss", LOSS_SETTINGS)
def test_every_loss_is_one_line_and_learns(tmp_path: Path, model: ModelRef, loss: str) -> None:  # noqa: F811
    found = run(tmp_path, model, loss=loss, epochs=6)
    losses = [line["loss"] for line in found.lines]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert found.lines[-1]["margin"] > found.lines[0]["margin"] + 0.05
    assert found.summary.loss.split()[0] == loss
    free = loss in ("simpo", "orpo")
    assert (found.summary.first_step is None) == free
    # Without a reference in the loss it is computed for the 4 held-out pairs only; KTO's baseline reads it too.
    expected = {"kto": 40, "simpo": 4, "orpo": 4}.get(loss, 20)
    assert [tick.total for tick in found.ticks if tick.what == "reference"][-1] == expected
    shares = {figures["pull"] is None for line in found.lines for figures in line["batch_principles"].values()}
    assert shares == {loss in ("orpo", "kto")}


@pytest.mark.parametrize("loss", LOSS_SETTINGS)
def test_settings_of_another_loss_are_refused(loss: str) -> None:
    for other in {name for names in LOSS_SETTINGS.values() for name in names} - set(LOSS_SETTINGS[loss]):
        value = "mean" if other == "ipo_length" else 0.3
        assert f"`{other}` belongs to loss" in refused(loss=loss, **{other: value})


def test_hard_labels_without_shares_train(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    plain = [pair.model_copy(update={"shares": (), "p": 1.0}) for pair in make_pairs(12)]
    found = run(tmp_path, model, plain)
    assert found.summary.heldout
    assert found.summary.heldout.principles == {}
    assert found.lines[-1]["batch_principles"] == {}


@pytest.mark.parametrize("dtype", ["float32", "mixed", "bfloat16"])
def test_all_weights_can_be_trained(tmp_path: Path, model: ModelRef, dtype: str) -> None:  # noqa: F811
    from transformers import AutoModelForCausalLM

    found = run(tmp_path, model, dtype=dtype, **FULL)
    before = AutoModelForCausalLM.from_pretrained(model.path)
    assert found.summary.parameters == sum(weight.numel() for weight in before.parameters())
    assert found.summary.dtype == dtype
    assert found.lines[-1]["margin"] > 1
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "policy").state_dict()
    moved = [name for name, old in before.state_dict().items() if not torch.equal(old, after[name].to(old))]
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.layers.0.input_layernorm.weight"} <= set(moved)
    assert not (tmp_path / "policy" / "adapter").exists()


def test_rows_do_not_change_full_fine_tuning(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    """The gradient of one row of everything is that of a row a pair: an average over pairs, not over rows."""
    one, many = (run(tmp_path / str(n), model, row_tokens=n, **FULL) for n in (5000, 1))
    for mine, theirs in zip(one.lines, many.lines, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)


def test_a_range_of_layers(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    lora = {"r": 2, "layers": {"first": 0, "last": 1}, "target_modules": ("v_proj",)}
    found = run(tmp_path / "two", model, lora=lora, epochs=1)
    assert {name.split("layers.")[1].split(".")[0] for name in found.weights} == {"0", "1"}
    with pytest.raises(ModelError, match=r"train.lora.layers.last is 3, but the last layer is 2"):
        run(tmp_path / "none", model, lora={"layers": {"first": 0, "last": 3}})
    assert "above `last`" in refused(lora={"layers": {"first": 2, "last": 1}})
    assert "give one of them" in refused(lora={"layers": {"first": 0, "last": 1}, "upper_layers": 2})


def test_early_stop_keeps_the_best_weights(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    """A learning rate that is far too high: the held-out margin has its best early, and that is what is saved."""
    wild = {"epochs": 12, "learning_rate": 0.08, "log_every": 2}
    found = run(tmp_path / "stopped", model, early_stop=EarlyStop(patience=3).model_dump(), **wild)
    margins = {line["step"]: line["heldout_margin"] for line in found.lines if "heldout_margin" in line}
    best = max(margins, key=lambda step: margins[step])
    assert found.summary.kept_step == best < found.summary.steps == best + 6 == found.lines[-1]["step"] < 48
    assert found.summary.heldout
    assert found.summary.heldout.margin == margins[best]
    assert f"kept the weights of step {best}" in "\n".join(found.summary.lines())
    whole = run(tmp_path / "whole", model, **wild)
    assert [line["loss"] for line in whole.lines][: len(found.lines)] == [line["loss"] for line in found.lines]
    name = next(iter(found.weights))
    assert not torch.equal(found.weights[name], whole.weights[name])


def test_early_stop_needs_something_to_watch(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    assert "`early_stop` watches held-out pairs" in refused(early_stop={}, heldout_fraction=0)
    undecided = [pair.model_copy(update={"p": 0.5, "shares": ()}) for pair in make_pairs(12)]
    with pytest.raises(DataError, match=r"train.early_stop: there is no margin to watch"):
        run(tmp_path, model, undecided, early_stop={})


def test_kto_learns_from_single_answers(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    found = run(tmp_path, model, singles(), loss="kto", epochs=8)
    assert found.lines[-1]["margin"] is None
    assert found.lines[-1]["chosen_change"] > found.lines[-1]["rejected_change"] + 0.5
    assert found.summary.heldout


def test_kto_mixes_pairs_and_singles(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    mixed = [*make_pairs(8), *singles(8)]
    base = run(tmp_path / "base", model, mixed, loss="kto")
    other = run(tmp_path / "other", model, mixed, loss="kto", row_tokens=1)
    assert base.summary.pairs + base.summary.heldout_pairs == 16
    for mine, theirs in zip(base.lines, other.lines, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)


def test_data_that_a_loss_cannot_use_is_refused(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    with pytest.raises(DataError, match=r"train.loss: `dpo` compares two answers, but 16 of the data are single"):
        run(tmp_path / "dpo", model, singles())
    liked = [single.model_copy(update={"p": 1.0}) for single in singles()]
    with pytest.raises(DataError, match=r"train.loss: `kto` needs answers of both kinds, but none of the \d+ is undes"):
        run(tmp_path / "up", model, liked, loss="kto")
    most = [*liked[:-4], *singles()[-4:]]
    with pytest.raises(DataError, match=r"train.undesirable_weight: .* would balance them"):
        run(tmp_path / "most", model, most, loss="kto")
    assert run(tmp_path / "weighed", model, most, loss="kto", undesirable_weight=5.0).summary.pairs
    alone = [pair.model_copy(update={"prompt_id": "one"}) for pair in make_pairs(4)]
    with pytest.raises(DataError, match=r"train.loss: `kto` compares with answers to other prompts"):
        run(tmp_path / "one", model, alone, loss="kto", heldout_fraction=0.0)


def long_pairs() -> list[TrainPair]:
    """Twelve pairs; the prompt of the third and fourth is far longer than the rest."""
    long = (Message(role="user", content="Keep the garden simple: " * 20),)
    pairs = make_pairs(12)
    return [pair.model_copy(update={"conversation": long}) if 2 <= n < 4 else pair for n, pair in enumerate(pairs)]


def test_pairs_that_are_too_long(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    dropped = run(tmp_path / "drop", model, long_pairs(), max_length=120).summary
    assert (dropped.left_out, dropped.shortened) == ({"longer than max_length": 2}, 0)
    cut = run(tmp_path / "cut", model, long_pairs(), max_length=120, too_long="cut_prompt").summary
    assert (cut.left_out, cut.shortened, cut.pairs + cut.heldout_pairs) == ({}, 2, 12)
    message = r"pair pair-00\d \(prompt prompt-1\) has \d+ tokens, more than train.max_length"
    with pytest.raises(DataError, match=message):
        run(tmp_path / "error", model, long_pairs(), max_length=120, too_long="error")
    same = [pair.model_copy(update={"b": pair.a + " and more of it"}) for pair in make_pairs(12)]
    shorter = run(tmp_path / "answers", model, [*same[:6], *make_pairs(12)[6:]], max_length=34, too_long="cut_answers")
    assert shorter.summary.left_out.get("both answers are the same after the cut to max_length", 0) > 0


def test_lora_is_the_default_and_null_means_all_weights() -> None:
    assert TrainSettings().lora is not None
    assert TrainSettings.model_validate({"lora": None}).lora is None
    assert TrainSettings(lora=LORA).meaning() != TrainSettings(lora=None).meaning()
    assert "tau" not in TrainSettings(loss="kto").meaning()


def test_the_adapter_of_a_full_policy_is_not_read(tmp_path: Path, model: ModelRef) -> None:  # noqa: F811
    """A policy of adapters, then one of all weights in the same folder: nothing of the first is left."""
    run(tmp_path, model, epochs=1)
    assert load_file(tmp_path / "policy" / "adapter" / "adapter_model.safetensors")
    run(tmp_path, model, lora=None, epochs=1)
    assert not (tmp_path / "policy" / "adapter").exists()
