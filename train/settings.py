"""The run file's `train` part."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from constitution.record import Record

LossName = Literal["dpo", "cdpo", "robust", "ipo", "hinge", "simpo", "orpo", "kto"]
LOSS_SETTINGS: dict[LossName, tuple[str, ...]] = {
    "dpo": ("beta",),
    "cdpo": ("beta", "label_smoothing"),
    "robust": ("beta", "label_smoothing"),
    "ipo": ("tau", "ipo_length"),
    "hinge": ("beta",),
    "simpo": ("simpo_beta", "simpo_gamma"),
    "orpo": ("orpo_lambda",),
    "kto": ("beta", "desirable_weight", "undesirable_weight"),
}
"""The settings that each loss reads; those of another loss are refused."""


class LayerRange(Record):
    """Layers of the model, counted from 0 at the input, both ends included."""

    first: int = Field(ge=0)
    """The lowest."""
    last: int = Field(ge=0)
    """The uppermost."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"`first` is {self.first}, above `last`, {self.last}: the lower layer comes first")
        return self


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
    layers: LayerRange | None = None
    """Adapt only these layers, in the place of `upper_layers`."""
    freeze_a: bool = False
    """Train the second factor of each adapter only (LoRA-FA: Zhang et al. 2023, arXiv 2308.03303). Half the numbers;
    the model is then linear in what is trained, and `preceptor whatif` predicts such a run better. It wants a
    higher learning rate."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.upper_layers is not None and self.layers is not None:
            raise ValueError("`upper_layers` and `layers` both say which layers are adapted: give one of them")
        return self


class EarlyStop(Record):
    """Stop when the margin on the held-out pairs no longer rises, and keep the weights with which it was highest."""

    patience: int = Field(default=3, gt=0)
    """Held-out evaluations in a row without a new highest margin after which training stops."""
    min_delta: float = Field(default=0.0, ge=0)
    """By how much a margin must be above the highest so far to count, in its own units."""


class TraceSettings(Record):
    """What a training leaves for the trace: `preceptor trace` and `preceptor whatif` read it. It changes no weight."""

    coordinates: int = Field(default=131_072, gt=0)
    """At how many of the trained numbers every pair's gradient is kept; more make estimates sharper and the recording
    larger (4 bytes a pair, epoch and coordinate)."""
    snapshots: int = Field(default=8, gt=0)
    """With an adapter: into how many stretches the run is cut by copies of the trained weights."""
    gib: float = Field(default=0.5, gt=0)
    """Room for the gradients; where they would need more, fewer coordinates are kept."""


class TrainSettings(Record):
    """How labels become a policy. Dropout is always off, in the policy as in the reference."""

    loss: LossName = "dpo"
    """All take soft labels. `dpo`: Rafailov et al. 2023. `cdpo`: DPO with label smoothing. `robust`: Chowdhury et al.
    2024. `ipo`: Azar et al. 2023. `hinge`: SLiC's. Without a reference: `simpo`: Meng et al. 2024. `orpo`: Hong et al.
    2024. `kto`: Ethayarajh et al. 2024, also for single answers with a thumb up or down."""
    beta: float = Field(default=0.1, gt=0)
    """DPO, conservative and robust DPO, hinge, KTO: the strength of the pull towards the reference."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=0.5)
    """Conservative and robust DPO: the probability that a label is the wrong way round."""
    tau: float = Field(default=0.1, gt=0)
    """IPO: the margin aimed at is (2p - 1) / (2 tau), in nats a sequence (`sum`) or a token (`mean`)."""
    ipo_length: Literal["sum", "mean"] = "sum"
    """IPO: log-ratios summed over the completion (the paper's text) or averaged by its length (TRL)."""
    simpo_beta: float = Field(default=2.0, gt=0)
    """SimPO: the scale of the average log-probability, a number for nats a token: not DPO's beta."""
    simpo_gamma: float = Field(default=1.0, ge=0)
    """SimPO: the better answer is to be ahead by simpo_gamma / simpo_beta nats a token."""
    orpo_lambda: float = Field(default=0.1, gt=0)
    """ORPO: the weight of the odds ratio beside the likelihood of the better answer."""
    desirable_weight: float = Field(default=1.0, gt=0)
    """KTO: the weight of answers with a thumb up; of a pair, of the better one."""
    undesirable_weight: float = Field(default=1.0, gt=0)
    """KTO: the weight of answers with a thumb down; of a pair, of the worse one."""
    lora: LoraSettings | None = LoraSettings()
    """The adapter; `null` trains all of the model's own weights."""
    epochs: int = Field(default=3, gt=0)
    """Passes over the labelled pairs."""
    pairs_per_step: int = Field(default=8, gt=0)
    """Pairs in one optimizer step."""
    row_tokens: int = Field(default=1024, gt=0)
    """Tokens packed into one forward pass; lower it when memory is short. It does not change the result."""
    max_length: int = Field(default=1024, gt=0)
    """Longest prompt plus completion, in tokens."""
    too_long: Literal["drop", "cut_prompt", "cut_answers", "error"] = "drop"
    """What becomes of a longer one; it is counted in any case. `drop`: left out. `cut_prompt`: the prompt loses its
    beginning. `cut_answers`: the answers lose their end. `error`: training stops before it starts."""
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
    early_stop: EarlyStop | None = None
    """Watch the held-out margin and stop when it no longer rises; omitted, all steps are done."""
    log_every: int = Field(default=5, gt=0)
    """Steps between held-out evaluations and log lines."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several processes, which torchrun starts: `ddp`, each holds the whole model; `fsdp`, each holds a part of
    every weight, its gradient and its optimizer state. It does not change the result."""
    checkpoint_every: int = Field(default=10, gt=0)
    """Steps between checkpoints: the most that a crash can cost."""
    activation_cache_gib: float = Field(default=1.0, ge=0)
    """With adapters in the upper layers only: memory for what enters the first of them, so that the layers below run
    once a pair and not once an epoch. It does not change the result."""
    dtype: Literal["auto", "float32", "bfloat16", "mixed"] = "auto"
    """The arithmetic. `bfloat16`: the model's weights are in it, which suits an adapter. `mixed`: the weights are in
    float32 and most of the arithmetic in bfloat16. `auto`: on a GPU that has bfloat16, `bfloat16` with an adapter and
    `mixed` without; else `float32`. Adapters and log-softmax are float32 always."""

    trace: TraceSettings | None = TraceSettings()
    """The recording that tells which principle and which pair moved what; `null` for none. It does not change the
    result."""

    def meaning(self) -> dict[str, Any]:
        """The settings that can change the policy; the others only say how it is computed and kept."""
        others = {name for names in LOSS_SETTINGS.values() for name in names} - set(LOSS_SETTINGS[self.loss])
        computing = {"row_tokens", "checkpoint_every", "activation_cache_gib", "parallel", "trace"}
        return self.model_dump(mode="json", exclude={*computing, *others})

    @model_validator(mode="after")
    def _used(self) -> Self:
        own = LOSS_SETTINGS[self.loss]
        for name in sorted(self.model_fields_set - set(own)):
            owners = [f"`{loss}`" for loss, names in LOSS_SETTINGS.items() if name in names]
            if owners:
                uses = ", ".join(f"`{setting}`" for setting in own)
                raise ValueError(f"`{name}` belongs to loss {', '.join(owners)}; loss `{self.loss}` uses {uses}")
        if self.early_stop and not self.heldout_fraction:
            raise ValueError("`early_stop` watches held-out pairs, but `heldout_fraction` is 0")
        return self
