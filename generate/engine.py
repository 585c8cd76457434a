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


FailureReason = Literal[
    "too_long", "refused", "busy", "timeout", "unreachable", "connection_lost", "server_error", "bad_answer",
    "not_asked", "denied", "bad_request",
]  # fmt: skip
TRANSIENT: frozenset[str] = frozenset(
    {"busy", "timeout", "unreachable", "connection_lost", "server_error", "bad_answer", "not_asked"}
)
"""Failures that lie with the way to the model, not with the question: the same question may succeed later."""


class Failure(NamedTuple):
    """Why one question of a call has no answer. `said`: a sentence for the user. `stops`: no other can have one."""

    reason: FailureReason
    said: str
    stops: bool = False


class Completion(NamedTuple):
    """One generated text. `tokens` counts generated tokens, the final EOS included. With a failure there is no text."""

    text: str
    finish: Literal["stop", "length"]
    tokens: int
    prompt_tokens: int
    failure: Failure | None = None


class Readout(NamedTuple):
    """Natural-log probabilities of each choice as the next text (all its spellings summed), and the mass on neither.

    With a failure there are none.
    """

    logps: tuple[float, ...]
    missing_mass: float
    prompt_tokens: int
    failure: Failure | None = None


def unread(failure: Failure) -> Readout:
    """The read-out of a question without an answer."""
    return Readout((), 1.0, 0, failure)


def unwritten(failure: Failure) -> Completion:
    """The completion of a question without an answer."""
    return Completion("", "stop", 0, 0, failure)


class Drawn(NamedTuple):
    """Constrained answers drawn at a temperature, each by its own seed, whatever else is in the call."""

    temperature: float
    seeds: tuple[int, ...]


class Engine(Protocol):
    """A loaded model. Every method takes a batch and keeps its order.

    In the two methods for judges one question without an answer fails alone: its result carries the Failure.
    """

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
        self,
        conversations: Sequence[Conversation],
        schema: type[BaseModel],
        max_new_tokens: int,
        drawn: Drawn | None = None,
    ) -> list[Completion]:
        """One answer each, constrained to `schema`'s JSON, greedy unless `drawn`. May still be cut (`length`)."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
