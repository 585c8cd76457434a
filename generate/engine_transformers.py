"""The embedded engine: transformers in this process, on the GPU if there is one, else on the CPU.

    engine = open_engine("embedded", TransformersEngine(type="transformers"), resolve_model("bundled:..."))

A text is what its tokens decode to without special tokens; nothing is stripped, so that training sees the very answer
that was sampled. Shapes: B rows, T columns, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from constitution.errors import ModelError
from constitution.identity import seed_from
from generate.attention import register
from generate.engine import Completion, Conversation, Drawn, ModelRef, Readout, Sampling, unread, unwritten
from generate.load import load_weights, model_errors
from generate.memory import in_batches
from generate.readout import missing_mass
from generate.settings import TransformersEngine
from generate.tokens import encode, encode_fitting, load_tokenizer, spellings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

ResultT = TypeVar("ResultT")
Rows = Sequence[Sequence[int]]
# Rows times their length in one prefill: bounds the memory of activations, and fills any processor.
PREFILL_TOKENS = 16384


class TransformersRunner:
    """A model loaded by transformers; see generate/engine.py for what each method promises."""

    def __init__(self, name: str, settings: TransformersEngine, model: ModelRef) -> None:
        """Load the weights. Raises ModelError if they cannot be loaded safely."""
        import torch

        self.name = name
        self.model = model
        self.batch_size = settings.batch_size
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = load_tokenizer(model)
        self._model = _load_weights(model, pick_dtype(settings.dtype, self._device), self._device)
        with model_errors(f"the model `{model.name}` cannot be used"):
            self._eos = _eos_ids(self._model, self._tokenizer.eos_token_id)
            self._pad = self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else self._eos[0]
            self._context = int(self._model.config.get_text_config().max_position_embeddings)
            self._share = _has_plain_attention(self._model)
        self._constraints: dict[str, tuple[Any, dict[int, torch.Tensor]]] = {}

    def sample(
        self, conversations: Sequence[Conversation], n: int, sampling: Sampling, seed: int
    ) -> list[list[Completion]]:
        """n answers to each conversation; a batch's seed comes from `seed` and the place where the batch begins."""
        prompts = encode(self._tokenizer, conversations, sampling.max_new_tokens, self._context)
        rows = [prompt for prompt in prompts for _ in range(n)]

        def run(start: int, batch: Rows) -> list[Completion]:
            return self._generate(batch, sampling, seed_from(seed, start))

        # Rows of one length together: their padding would be carried through every step of decoding.
        order = sorted(range(len(rows)), key=lambda place: (len(rows[place]), rows[place]))
        answers = self._in_batches(rows, order, self.batch_size, run)
        return [answers[i * n : (i + 1) * n] for i in range(len(prompts))]

    def read_choices(self, conversations: Sequence[Conversation], choices: Sequence[str]) -> list[Readout]:
        """One forward pass a batch; prompts with a common beginning share its computation."""
        fitting = encode_fitting(self._tokenizer, conversations, 1, self._context)
        prompts = fitting.prompts
        tokens = spellings(self._tokenizer, choices)
        longest = max(map(len, prompts), default=1)

        def run(start: int, batch: Rows) -> list[Readout]:
            return self._read(batch, tokens)

        size = max(1, min(self.batch_size, PREFILL_TOKENS // longest))
        return fitting.restore(self._in_batches(prompts, self._prefix_order(prompts), size, run), unread)

    def complete_json(
        self,
        conversations: Sequence[Conversation],
        schema: type[BaseModel],
        max_new_tokens: int,
        drawn: Drawn | None = None,
    ) -> list[Completion]:
        """Decoding under the automaton of `schema`. What is drawn depends on its own seed, not on the batch."""
        from generate.constrain import GumbelNoise, JsonConstraint

        fitting = encode_fitting(self._tokenizer, conversations, max_new_tokens, self._context)
        prompts = fitting.prompts
        sampling = Sampling(temperature=0, max_new_tokens=max_new_tokens)
        index, masks = self._constraint(schema)
        seeds = [drawn.seeds[i] for i, place in enumerate(fitting.places) if isinstance(place, int)] if drawn else []
        order = self._prefix_order(prompts)

        def run(start: int, batch: Rows) -> list[Completion]:
            processors: list[Any] = [JsonConstraint(index, masks)]
            if drawn:
                places = order[start : start + len(batch)]
                processors.append(GumbelNoise(drawn.temperature, [seeds[place] for place in places]))
            return self._generate(batch, sampling, 0, processors)

        return fitting.restore(self._in_batches(prompts, order, self.batch_size, run), unwritten)

    def close(self) -> None:
        """Drop the weights and give the accelerator's memory back."""
        import gc

        import torch

        del self._model
        self._constraints.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _constraint(self, schema: type[BaseModel]) -> tuple[Any, dict[int, torch.Tensor]]:
        from constitution.identity import digest
        from generate.constrain import json_index

        key = digest("schema", json=schema.model_json_schema())
        if key not in self._constraints:
            self._constraints[key] = (json_index(self._model, self._tokenizer, schema), {})
        return self._constraints[key]

    def _generate(
        self, rows: Rows, sampling: Sampling, seed: int, processors: list[Any] | None = None
    ) -> list[Completion]:
        import torch

        from generate.prefill import prefill

        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(seed)
            batch = prefill(self._model, rows, self._pad, self._share)
            output_B_T = self._model.generate(
                input_ids=batch.ids_B_T,
                attention_mask=batch.mask_B_T,
                past_key_values=batch.cache,
                generation_config=self._generation_config(sampling),
                logits_processor=processors or [],
            )
        answers = output_B_T[:, batch.ids_B_T.shape[1] :].tolist()
        return [self._completion(answer, len(row)) for answer, row in zip(answers, rows, strict=True)]

    def _generation_config(self, sampling: Sampling) -> Any:
        from transformers import GenerationConfig

        # Every field that could fall back to another default is named.
        drawn = {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
        return GenerationConfig(
            do_sample=sampling.temperature > 0,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=self._eos,
            pad_token_id=self._pad,
            **(drawn if sampling.temperature > 0 else {}),
        )

    def _completion(self, answer: list[int], prompt_tokens: int) -> Completion:
        ends = [place for place, token in enumerate(answer) if token in self._eos]
        kept = answer[: ends[0] + 1] if ends else answer
        text = self._tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Completion(text, "stop" if ends else "length", len(kept), prompt_tokens)

    def _read(self, rows: Rows, tokens: Sequence[Sequence[int]]) -> list[Readout]:
        import torch

        from generate.prefill import next_logits, prefill

        with torch.inference_mode():
            batch = prefill(self._model, rows, self._pad, self._share)
            logps_B_V = next_logits(self._model, batch).log_softmax(dim=-1)
            logps_B_C = torch.stack([logps_B_V[:, ids].logsumexp(dim=-1) for ids in tokens], dim=1)
        return [
            Readout(tuple(logps), missing_mass(logps), len(row))
            for logps, row in zip(logps_B_C.tolist(), rows, strict=True)
        ]

    def _prefix_order(self, rows: Rows) -> list[int]:
        """An order in which rows with a common beginning are neighbours; by length where they cannot share it."""
        return sorted(range(len(rows)), key=lambda place: list(rows[place]) if self._share else [len(rows[place])])

    def _in_batches(
        self, rows: Rows, order: Sequence[int], size: int, run: Callable[[int, Rows], list[ResultT]]
    ) -> list[ResultT]:
        """`run` over batches of neighbours in `order`; results in the order of `rows`. Halves what is out of memory."""
        found = in_batches(order, size, lambda start, places: run(start, [rows[i] for i in places]), self._smaller)
        return [found[i] for i in range(len(rows))]

    def _smaller(self, failed: int) -> int:
        if failed == 1:
            raise ModelError(
                f"`{self.model.name}` ran out of memory on a single prompt: lower max_new_tokens, shorten the prompts, "
                "or take a smaller model or `dtype: bfloat16`"
            ) from None
        self.batch_size = failed // 2
        return self.batch_size


def _load_weights(model: ModelRef, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM, GenerationConfig

    loaded: PreTrainedModel = load_weights(AutoModelForCausalLM, model, "the model", device, dtype=dtype)
    if loaded.config._attn_implementation == "sdpa":
        loaded.set_attn_implementation(register())
    # What a model's author found a good default (temperature, top-k, penalties) must not leak into our samples.
    loaded.generation_config = GenerationConfig(eos_token_id=loaded.generation_config.eos_token_id)
    return loaded


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The number format that `dtype` in an engine's settings means on this device."""
    import torch

    if wanted == "auto":
        wanted = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    dtype: torch.dtype = getattr(torch, wanted)
    return dtype


def _eos_ids(model: PreTrainedModel, tokenizers: int | None) -> list[int]:
    """Every token that ends an answer: the generation config's, and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    ids = sorted({int(i) for i in [*listed, tokenizers] if i is not None})
    if not ids:
        raise ModelError("the model names no end-of-sequence token, so an answer would never end")
    return ids


def _has_plain_attention(model: PreTrainedModel) -> bool:
    """Whether every layer sees all earlier tokens; a sliding window would count the padding behind a shared prefix."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
