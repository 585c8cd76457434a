"""The model in training: frozen with a LoRA adapter in float32, or trained as a whole. Always in eval mode: no dropout.

With adapters in the upper layers only, autograd keeps nothing below the first of them, since nothing there asks for a
gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from constitution.errors import ModelError
from constitution.identity import seed_from
from generate.engine import ModelRef
from generate.load import load_weights
from generate.tokens import read_tokenizer
from train import team
from train.settings import LoraSettings, TrainSettings

if TYPE_CHECKING:
    from train.lower import LowerStates


class Policy(NamedTuple):
    """A model taken apart: `body` gives hidden states, `head` turns them into logits, `model` is the whole."""

    model: Any
    body: Any
    head: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    """Of most of the arithmetic; with `mixed` not of the weights, which are in float32 then."""
    mixed: bool = False
    lower: LowerStates | None = None
    """Hidden states below the adapted layers, where they are kept: train/lower.py."""
    sharded: bool = False
    """Whether this process holds a part of every weight only, which the modules gather when they are called."""
    net: Any = None
    """What DDP or FSDP2 wrapped, to be called in the place of the model (parallel.py); None in a single process."""

    @property
    def arithmetic(self) -> str:
        """`mixed`, or the dtype's name."""
        return "mixed" if self.mixed else str(self.dtype)

    def precision(self) -> torch.autocast:
        """The context in which forward passes run."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed)

    @property
    def stops(self) -> frozenset[int]:
        """Ids at which generation ends."""
        configured = self.model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        return frozenset(token for token in [*listed, self.tokenizer.eos_token_id] if token is not None)

    @property
    def pad(self) -> int:
        """An id to fill rows with; no position that holds it is ever read."""
        return int(next(iter(sorted(self.stops)), 0))


def load_reference(model: ModelRef, settings: TrainSettings, on_cpu: bool = False) -> Policy:
    """The untrained model, frozen; on the CPU if it is to be sharded from there.

    Raises ModelError if it cannot be loaded from safetensors without foreign code.
    """
    from transformers import AutoModelForCausalLM

    arithmetic = choose_arithmetic(settings, team.device())
    device = torch.device("cpu") if on_cpu else team.device()
    tokenizer = read_tokenizer(model)
    options = {"dtype": arithmetic.weights, "attn_implementation": "sdpa"}
    whole = load_weights(AutoModelForCausalLM, model, "the model", device, **options)
    taken_apart = (whole, whole.base_model, whole.get_output_embeddings(), tokenizer, device)
    return Policy(*taken_apart, torch.bfloat16 if arithmetic.mixed else arithmetic.weights, arithmetic.mixed)


class Arithmetic(NamedTuple):
    """The weights' dtype, and whether forward passes run in bfloat16 all the same."""

    weights: torch.dtype
    mixed: bool


def choose_arithmetic(settings: TrainSettings, device: torch.device) -> Arithmetic:
    """As the settings say; for `auto` see TrainSettings.dtype."""
    wanted = settings.dtype
    if wanted == "auto":
        half = device.type == "cuda" and torch.cuda.is_bf16_supported()
        wanted = "float32" if not half else "bfloat16" if settings.lora else "mixed"
    return Arithmetic(torch.bfloat16 if wanted == "bfloat16" else torch.float32, wanted == "mixed")


def make_trainable(policy: Policy, lora: LoraSettings | None, seed: int) -> Policy:
    """The same model with a fresh adapter, or without one with all of its own weights to be trained."""
    if lora:
        return attach_adapter(policy, lora, seed)
    policy.model.requires_grad_(True)
    return policy


def attach_adapter(policy: Policy, lora: LoraSettings, seed: int) -> Policy:
    """The same model with a fresh adapter, which changes nothing yet: its second factor is 0.

    `body` and `head` stay the same objects; the adapter is put inside them. Raises ModelError if the settings name
    layers that the model does not have.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        target_modules=list(lora.target_modules),
        layers_to_transform=adapted_layers(policy, lora),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed_from("adapter", seed))
            model = get_peft_model(policy.model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        raise ModelError(f"train.lora: the adapter does not fit the model: {error}") from error
    assert not policy.head.weight.requires_grad
    if lora.freeze_a:
        for name, weight in model.named_parameters():
            weight.requires_grad_(weight.requires_grad and ".lora_A." not in name)
    return policy._replace(model=model.eval())


def adapted_layers(policy: Policy, lora: LoraSettings) -> list[int] | None:
    """Indexes of the layers to adapt; None for all."""
    layers = int(policy.model.config.get_text_config().num_hidden_layers)
    if lora.layers:
        if lora.layers.last >= layers:
            raise ModelError(f"train.lora.layers.last is {lora.layers.last}, but the last layer is {layers - 1}")
        return list(range(lora.layers.first, lora.layers.last + 1))
    if lora.upper_layers is None:
        return None
    if lora.upper_layers > layers:
        raise ModelError(f"train.lora.upper_layers is {lora.upper_layers}, but the model has only {layers} layers")
    return list(range(layers - lora.upper_layers, layers))


def trained_parameters(policy: Policy) -> dict[str, torch.nn.Parameter]:
    """The weights in training by name, in the model's order."""
    return {name: weight for name, weight in policy.model.named_parameters() if weight.requires_grad}
