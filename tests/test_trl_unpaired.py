"""KTO's whole gradient against TRL's KTOTrainer; SimPO and the odds ratio of ORPO against TRL's own loss functions; the
exported labels train in TRL's DPOTrainer as they are."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from constitution.progress import silent
from constitution.store import Store
from generate.engine import ModelRef
from generate.records import Message
from tests.test_trl_equivalence import Gradient, assert_equal, first_gradient, move
from tests.training import SENTENCES, save_tiny_model
from train.baseline import baseline, mismatched
from train.losses import Scores, pair_loss
from train.losses.orpo import orpo_loss
from train.metrics import figures
from train.policy import load_reference, make_trainable, trained_parameters
from train.records import TrainSingle
from train.reference import ReferenceLogps, reference_logps
from train.rows import Layout
from train.settings import LoraSettings, TrainSettings
from train.step import Trainee, backward
from train.tokens import item_tokens

trl = pytest.importorskip("trl", reason="TRL comes with the extra `dev`")
KTO = TrainSettings(
    loss="kto",
    beta=0.3,
    desirable_weight=1.2,
    undesirable_weight=0.7,
    dtype="float32",
    lora=LoraSettings(r=4, alpha=8),
)

SEED = 2


def singles() -> list[TrainSingle]:
    """Six answers to six questions, four of them good."""
    words = " ".join(SENTENCES).split()
    return [
        TrainSingle(
            key=f"single-{index}",
            prompt_id=f"prompt-{index}",
            conversation=(Message(role="user", content=" ".join(words[3 * index : 3 * index + 5]) + "?"),),
            text=" ".join(words[index : index + 4 + 2 * index]),
            p=float(index % 3 != 1),
        )
        for index in range(6)
    ]


def our_gradient(model: ModelRef, out: Path, layout: Layout) -> Gradient:
    reference = load_reference(model, KTO)
    tokens = [item_tokens(single, reference.tokenizer) for single in singles()]
    strangers = mismatched(tokens, max_length=400)
    with Store(out / "references.sqlite", ReferenceLogps) as store:
        known = reference_logps(reference, [*tokens, *strangers], model, "separate", KTO, store, silent)
    trainee = Trainee(
        move(make_trainable(reference, KTO.lora, seed=1), SEED), known, pair_loss(KTO), layout, row_tokens=200
    )
    z = baseline(trainee, strangers)
    assert z > 0.01, "a baseline of 0 would not be told from none"
    moved = backward(trainee, tokens, z)
    weights = trained_parameters(trainee.policy)
    found = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    return Gradient(figures(moved, trainee.loss).loss, found)


def trl_gradient(model: ModelRef, out: Path) -> Gradient:
    from datasets import Dataset

    policy = make_trainable(load_reference(model, KTO), KTO.lora, seed=1)
    rows = [
        {
            "prompt": [message.model_dump() for message in single.conversation],
            "completion": [{"role": "assistant", "content": single.text}],
            "label": single.p == 1,
        }
        for single in singles()
    ]
    arguments = trl.KTOConfig(
        output_dir=str(out),
        beta=KTO.beta,
        desirable_weight=KTO.desirable_weight,
        undesirable_weight=KTO.undesirable_weight,
        per_device_train_batch_size=len(rows),
        train_sampling_strategy="sequential",
        max_length=None,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = trl.KTOTrainer(
            policy.model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=policy.tokenizer
        )
    move(policy, SEED)  # only now: the trainer takes the adapter that it is given for the reference
    return first_gradient(trainer, policy)


@pytest.mark.parametrize("layout", ["shared", "separate"])
def test_kto_on_single_answers(tmp_path: Path, layout: Layout) -> None:
    """TRL pairs each prompt with the answer before it in the batch, as our baseline does when the batch is all."""
    model = save_tiny_model(tmp_path / "model", initializer_range=0.1)
    assert_equal(our_gradient(model, tmp_path, layout), trl_gradient(model, tmp_path / "trl"), f"kto, {layout}")


LENGTHS = torch.tensor([[5, 8], [12, 3], [7, 7]])
LOGPS = torch.tensor([[-10.0, -14.0], [-9.0, -6.5], [-3.0, -2.0]])
AVERAGES = LOGPS / LENGTHS


def test_simpo_is_trls() -> None:
    from trl.experimental.cpo import CPOTrainer

    here = SimpleNamespace(
        alpha=0.0,
        beta=2.5,
        simpo_gamma=0.7,
        loss_type="simpo",
        label_smoothing=0.0,
        accelerator=SimpleNamespace(device="cpu"),
    )
    theirs = CPOTrainer.cpo_loss(here, AVERAGES[:, 0], AVERAGES[:, 1])[0]
    ours = pair_loss(TrainSettings(loss="simpo", simpo_beta=2.5, simpo_gamma=0.7)).value(
        Scores(LOGPS, LENGTHS), torch.ones(3)
    )
    torch.testing.assert_close(ours, theirs)


def test_orpos_odds_ratio_is_trls() -> None:
    from trl.experimental.orpo import ORPOTrainer

    here = SimpleNamespace(beta=0.4, accelerator=SimpleNamespace(device="cpu"))
    theirs = -ORPOTrainer.odds_ratio_loss(here, AVERAGES[:, 0], AVERAGES[:, 1])[0]
    ours = orpo_loss(Scores(LOGPS, LENGTHS), torch.ones(3), 0.4) + AVERAGES[:, 0]
    torch.testing.assert_close(ours, theirs)
