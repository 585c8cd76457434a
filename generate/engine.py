"""The one interface to a language model that samples, reads out and constrains. Three implementations, one a file:
engine_transformers.py (CPU or GPU, embedded), engine_vllm.py (offline engine), engine_openai.py (a server's model).
Open one with generate/open.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from pydantic import BaseModel, Field

from constitution.record import Record
from generate.records import Message

Conversation: TypeAlias = Sequence[Message]


class Sampling(Record):
    """How answers are drawn. Every field is part of a response's identity."""

    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus mass; 1 draws from the whole distribution."""
    top_k: int = Field(default=0, ge=0)
    """Keep only the k most probable tokens; 0 keeps all."""
    max_new_tokens: int = Field(default=256, gt=0)
    """An answer that reaches this is cut and marked `length`."""


class ModelRef(Record):
    """Which weights: enough to find them again and to know when they changed."""

    name: str
    """As the run file says it: `bundled:...`, a Hugging Face id, or a folder."""
    path: str
    """The local folder or hub id that transformers and vLLM load; a server's own name for its model."""
    revision: str
    """Commit hash of a hub model, or digest of the local weights; for a server's, see generate/served.py."""


class Completion(NamedTuple):
    """One generated text. `tokens` counts generated tokens, the final EOS included."""

    text: str
    finish: Literal["stop", "length"]
    tokens: int
    prompt_tokens: int


class Readout(NamedTuple):
    """Natural-log probabilities of each choice as the next text (all its spellings summed), and the mass on neither."""

    logps: tuple[float, ...]
    missing_mass: float
    prompt_tokens: int


class Engine(Protocol):
    """A loaded model. Every method takes a batch and keeps its order."""

    name: str
    model: ModelRef

    def sample(
        self, conversations: Sequence[Conversation], n: int, sampling: Sampling, seed: int
    ) -> list[list[Completion]]:
        """n answers to each conversation. The same arguments give the same answers on the same machine."""
        ...

    def read_choices(self, conversations: Sequence[Conversation], choices: Sequence[str]) -> list[Readout]:
        """Probability of each of `choices` as the first text of the assistant's turn, without sampling."""
        ...

    def complete_json(
        self, conversations: Sequence[Conversation], schema: type[BaseModel], max_new_tokens: int, seed: int
    ) -> list[Completion]:
        """One answer each, greedy, constrained to `schema`'s JSON. May still be cut (`finish == "length"`)."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
