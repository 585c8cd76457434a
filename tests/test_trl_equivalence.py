"""Loss and gradient of one batch against TRL's DPOTrainer on the same pairs, model and adapter, in float32.

TRL gets the conversations as text and tokenises, batches and scores them itself. Run with -s to see the differences.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from generate.engine import ModelRef
from generate.records import Message
from tests.training import make_pairs, save_tiny_model, token_pairs
from train.layout import choose_layout
from train.logps import answer_logps
from train.losses import pair_loss
from train.metrics import figures
from train.policy import Policy, load_reference, make_trainable, trained_parameters
from train.records import TrainPair
from train.reference import ReferenceLogps
from train.rows import Layout, separate_rows
from train.settings import LoraSettings, TrainSettings
from train.step import Trainee, backward

trl = pytest.importorskip("trl", reason="TRL comes with the extra `dev`")
LORA = LoraSettings(r=4, alpha=8)
DPO = TrainSettings(loss="dpo", beta=0.1, dtype="float32", lora=LORA)
LOSSES = [(DPO, "sigmoid"), (TrainSettings(loss="ipo", tau=0.1, ipo_length="mean", dtype="float32", lora=LORA), "ipo")]
ALL_LOSSES = [
    *LOSSES,
    (TrainSettings(loss="hinge", beta=0.1, dtype="float32", lora=LORA), "hinge"),
    (TrainSettings(loss="robust", beta=0.1, label_smoothing=0.2, dtype="float32", lora=LORA), "robust"),
    (TrainSettings(loss="dpo", beta=0.1, dtype="float32", lora=None), "sigmoid"),
]
ALL_NAMES = ["dpo", "ipo", "hinge", "robust", "dpo, all weights"]


class Gradient(NamedTuple):
    loss: float
    by_name: dict[str, torch.Tensor]

    @property
    def flat(self) -> torch.Tensor:
        return torch.cat([self.by_name[name].flatten().double() for name in sorted(self.by_name)])


def move(policy: Policy, seed: int = 11) -> Policy:
    """Set the adapter as after some training: both factors away from their start, so that h is not 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in trained_parameters(policy).values():
            weight.add_(0.03 * torch.randn(weight.shape, generator=generator))
    return policy


def our_gradient(model: ModelRef, pairs: list[TrainPair], settings: TrainSettings, layout: Layout) -> Gradient:
    reference = load_reference(model, settings)
    tokens = token_pairs(reference, pairs)
    with torch.no_grad():
        logps_B_2 = answer_logps(reference, separate_rows(tokens, reference.pad)).tolist()
    known = {pair.key: ReferenceLogps(a=a, b=b) for pair, (a, b) in zip(pairs, logps_B_2, strict=True)}
    if layout == "shared":
        assert choose_layout(reference, tokens).layout == "shared"
    policy = move(make_trainable(reference, settings.lora, seed=1))
    loss = pair_loss(settings)
    moved = backward(Trainee(policy, known, loss, layout, row_tokens=300), tokens)
    found = {name: weight.grad for name, weight in trained_parameters(policy).items() if weight.grad is not None}
    return Gradient(figures(moved, loss).loss, found)


def trl_gradient(model: ModelRef, pairs: list[TrainPair], settings: TrainSettings, kind: str, out: Path) -> Gradient:
    from datasets import Dataset

    policy = make_trainable(load_reference(model, settings), settings.lora, seed=1)
    rows = [
        {
            "prompt": [message.model_dump() for message in pair.conversation],
            "chosen": [{"role": "assistant", "content": pair.a}],
            "rejected": [{"role": "assistant", "content": pair.b}],
        }
        for pair in pairs
    ]
    arguments = trl.DPOConfig(
        output_dir=str(out),
        loss_type=[kind],
        beta=settings.tau if kind == "ipo" else settings.beta,
        label_smoothing=settings.label_smoothing if kind == "robust" else 0.0,
        per_device_train_batch_size=len(pairs),
        max_length=None,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = trl.DPOTrainer(
        policy.model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=policy.tokenizer
    )
    move(policy)  # only now: the trainer takes the adapter that it is given for the reference
    return first_gradient(trainer, policy)


def first_gradient(trainer: Any, policy: Policy) -> Gradient:
    """What a trainer of TRL's makes of its first batch, without dropout."""
    batch: Any = next(iter(trainer.get_train_dataloader()))
    trainer.model.eval()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    found = {name: weight.grad for name, weight in trained_parameters(policy).items() if weight.grad is not None}
    return Gradient(float(loss.detach()), found)


def assert_equal(ours: Gradient, theirs: Gradient, what: str) -> None:
    assert set(ours.by_name) == set(theirs.by_name)
    cosine = float(torch.nn.functional.cosine_similarity(ours.flat, theirs.flat, dim=0))
    largest = float((ours.flat - theirs.flat).abs().max())
    scale = float(theirs.flat.abs().max())
    print(f"\n{what}: loss {ours.loss:.7f} against {theirs.loss:.7f}, gradient cosine {cosine:.9f}, ", end="")
    print(f"largest difference {largest:.1e} of {scale:.1e}")
    assert scale > 1e-3
    assert ours.loss == pytest.approx(theirs.loss, abs=1e-4)
    assert largest < 1e-4 * max(1.0, scale)
    assert cosine > 0.9999


@pytest.mark.parametrize(("settings", "kind"), ALL_LOSSES, ids=ALL_NAMES)
def test_every_loss(tmp_path: Path, settings: TrainSettings, kind: str) -> None:
    model = save_tiny_model(tmp_path / "model", initializer_range=0.1)
    pairs = [pair.model_copy(update={"p": 1.0, "shares": ()}) for pair in make_pairs(6)]
    theirs = trl_gradient(model, pairs, settings, kind, tmp_path / "trl")
    assert_equal(our_gradient(model, pairs, settings, "shared"), theirs, f"tiny, {kind}")


@pytest.mark.parametrize(("settings", "kind"), LOSSES, ids=["dpo", "ipo"])
def test_separate_rows(tmp_path: Path, settings: TrainSettings, kind: str) -> None:
    model = save_tiny_model(tmp_path / "model", initializer_range=0.1)
    pairs = [pair.model_copy(update={"p": 1.0, "shares": ()}) for pair in make_pairs(6)]
    theirs = trl_gradient(model, pairs, settings, kind, tmp_path / "trl")
    assert_equal(our_gradient(model, pairs, settings, "separate"), theirs, f"tiny, {kind}, separate rows")


REAL_PAIRS = (
    ("How do I keep bread fresh?", "In a linen bag.", "Bread can be kept fresh in many ways, and first of all..."),
    ("Why is the sky blue?", "Air scatters short waves most, and blue is short.", "I think it is a nice colour."),
    ("Name a river in France.", "The Loire.", "Certainly! There are many rivers in France, such as the Rhine."),
    ("What is a clock for?", "It tells the time.", "- time\n- decoration\n- noise"),
)


@pytest.mark.real_model
@pytest.mark.parametrize(("settings", "kind"), LOSSES, ids=["dpo", "ipo"])
def test_real_model(tmp_path: Path, bundled_model: ModelRef, settings: TrainSettings, kind: str) -> None:
    pairs = [
        TrainPair(
            key=str(index),
            prompt_id=str(index),
            conversation=(Message(role="user", content=prompt),),
            a=a,
            b=b,
            p=1.0,
        )
        for index, (prompt, a, b) in enumerate(REAL_PAIRS)
    ]
    upper = settings.model_copy(update={"lora": LORA.model_copy(update={"upper_layers": 8})})
    theirs = trl_gradient(bundled_model, pairs, upper, kind, tmp_path / "trl")
    assert_equal(our_gradient(bundled_model, pairs, upper, "shared"), theirs, f"SmolLM2, {kind}")
