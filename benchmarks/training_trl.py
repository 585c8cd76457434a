"""TRL's DPOTrainer as the rival: its defaults, and tuned as its documentation advises.

Both get the base model and a LoraConfig, so that TRL takes the model without its adapter for the reference, and the
adapter's start is then set to ours. Both train in float32 (TRL's default is bfloat16, in which this CPU is slower)
without dropout and save nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.training_plan import SEED, Plan, Side
from train.policy import adapted_layers, attach_adapter, load_reference, trained_parameters

DEFAULT: dict[str, Any] = {}
TUNED: dict[str, Any] = {
    "gradient_checkpointing": False,
    "precompute_ref_log_probs": True,
    "train_sampling_strategy": "group_by_length",
    "remove_unused_columns": False,  # or the sampler does not see the lengths
}


def make_trainer(plan: Plan, side: Side, out: Path) -> Any:
    """A DPOTrainer that is ready to train; with `precompute_ref_log_probs` it has run its reference."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    settings = plan.settings()
    assert settings.lora
    reference = load_reference(plan.model, settings)
    lora = LoraConfig(
        r=settings.lora.r,
        lora_alpha=settings.lora.alpha,
        target_modules=list(settings.lora.target_modules),
        layers_to_transform=adapted_layers(reference, settings.lora),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    arguments = DPOConfig(
        output_dir=str(out),
        beta=settings.beta,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.pairs_per_step,
        bf16=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **(DEFAULT if side == "trl_default" else TUNED),
    )
    trainer = DPOTrainer(
        reference.model,
        args=arguments,
        train_dataset=Dataset.from_list(_rows(plan, reference.tokenizer)),
        processing_class=reference.tokenizer,
        peft_config=lora,
    )
    _start_alike(plan, trainer.model)
    return trainer


def _rows(plan: Plan, tokenizer: Any) -> list[dict[str, Any]]:
    """TRL's explicit-prompt conversational format, and each row's length in tokens for its sampler."""
    rows = []
    for pair in plan.pairs:
        prompt = [message.model_dump() for message in pair.conversation]
        text = "".join(message["content"] for message in prompt)
        rows.append(
            {
                "prompt": prompt,
                "chosen": [{"role": "assistant", "content": pair.a}],
                "rejected": [{"role": "assistant", "content": pair.b}],
                "length": max(len(tokenizer(text + answer)["input_ids"]) for answer in (pair.a, pair.b)),
            }
        )
    return rows


def _start_alike(plan: Plan, model: Any) -> None:
    """The adapter's weights as ours start."""
    settings = plan.settings()
    assert settings.lora
    for name, weight in model.named_parameters():
        weight.requires_grad_(weight.requires_grad and not (settings.lora.freeze_a and ".lora_A." in name))
    ours = trained_parameters(attach_adapter(load_reference(plan.model, settings), settings.lora, SEED))
    theirs = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert set(ours) == set(theirs)
    with torch.no_grad():
        for name, weight in theirs.items():
            weight.copy_(ours[name])


@contextmanager
def timed_reference() -> Iterator[list[float]]:
    """While it lasts, TRL's passes over the reference before training add their seconds to the list."""
    from trl import DPOTrainer

    seconds: list[float] = []
    original = DPOTrainer._precompute_ref_logps

    def timed(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        found = original(*given, **named)
        seconds.append(time.perf_counter() - started)
        return found

    DPOTrainer._precompute_ref_logps = timed
    yield seconds
    DPOTrainer._precompute_ref_logps = original
