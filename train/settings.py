"""The run file's `train` part."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from constitution.record import Record


class LoraSettings(Record):
    """Low-rank adapters, through peft."""

    r: int = Field(default=16, gt=0)
    """Rank."""
    alpha: float = Field(default=32.0, gt=0)
    """Scale: the update is alpha / r times the product of the factors."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers that get an adapter."""
    upper_layers: int | None = Field(default=None, gt=0)
    """Adapt only this many of the uppermost layers; all when omitted."""


class TrainSettings(Record):
    """How labels become a policy. Dropout is always off, in the policy as in the reference."""

    loss: Literal["dpo", "ipo"] = "dpo"
    """`dpo`: Rafailov et al. 2023, eq. 7, with soft labels. `ipo`: Azar et al. 2023, eq. 17, with soft labels."""
    beta: float = Field(default=0.1, gt=0)
    """DPO: the strength of the pull towards the reference."""
    tau: float = Field(default=0.1, gt=0)
    """IPO: the margin aimed at is (2p - 1) / (2 tau), in nats a sequence (`sum`) or a token (`mean`)."""
    ipo_length: Literal["sum", "mean"] = "sum"
    """IPO: log-ratios summed over the completion (the paper's text) or averaged by its length (TRL)."""
    lora: LoraSettings = LoraSettings()
    """The adapter."""
    epochs: int = Field(default=3, gt=0)
    """Passes over the labelled pairs."""
    pairs_per_step: int = Field(default=8, gt=0)
    """Pairs in one optimizer step."""
    row_tokens: int = Field(default=1024, gt=0)
    """Tokens packed into one forward pass; lower it when memory is short. It does not change the result."""
    max_length: int = Field(default=1024, gt=0)
    """Longest prompt plus completion, in tokens. Longer pairs are left out and counted."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """AdamW's peak."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    """How the learning rate falls after the warm-up."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """The part of the steps over which the learning rate rises."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    heldout_fraction: float = Field(default=0.1, ge=0, lt=1)
    """The part of the labelled prompts kept out of training, for margins that were not trained on."""
    log_every: int = Field(default=5, gt=0)
    """Steps between held-out evaluations and log lines."""
    checkpoint_every: int = Field(default=10, gt=0)
    """Steps between checkpoints: the most that a crash can cost."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 on a GPU that has it, else float32. Adapters and log-softmax are float32 always."""

    def meaning(self) -> dict[str, Any]:
        """The settings that can change the policy; the others only say how it is computed and kept."""
        return self.model_dump(mode="json", exclude={"row_tokens", "checkpoint_every"})

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.loss != "ipo" and "tau" in self.model_fields_set:
            raise ValueError("`tau` belongs to loss `ipo`; loss `dpo` uses `beta`")
        if self.loss != "dpo" and "beta" in self.model_fields_set:
            raise ValueError("`beta` belongs to loss `dpo`; loss `ipo` uses `tau`")
        return self
