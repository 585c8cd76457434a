"""What the generator reads and writes: prompts, responses, pairs. Immutable; a record's identity is its content."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal, Self

from pydantic import Field, model_validator

from constitution.identity import digest
from constitution.record import Record


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str = Field(min_length=1)
    """What is said."""


class Prompt(Record):
    """A conversation that ends with the user's turn. A line of a prompt file says either `prompt` or `messages`."""

    id: str = Field(min_length=1, max_length=200)
    """The prompt's name in its file; unique there."""
    prompt: str | None = Field(default=None, min_length=1)
    """A single user turn: short for one message."""
    messages: tuple[Message, ...] = ()
    """The whole conversation, when it is more than one turn."""
    tags: tuple[str, ...] = ()
    """Names that principles' scopes refer to."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("give exactly one of `prompt` and `messages`")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("`messages` must end with the user's turn")
        return self

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages, whichever form the file used."""
        return self.messages or (Message(role="user", content=self.prompt or ""),)

    @cached_property
    def key(self) -> str:
        """Digest of the conversation alone: ids and tags may change freely."""
        return _prompt_key(tuple((m.role, m.content) for m in self.messages) or (("user", self.prompt or ""),))


@lru_cache(maxsize=8)
def _prompt_key(turns: tuple[tuple[str, str], ...]) -> str:
    """Of (role, content) pairs. The pairs of one prompt are neighbours in a file, and each is read with its prompt."""
    return digest("prompt", messages=[{"role": role, "content": content} for role, content in turns])


class Response(Record):
    """One answer: sampled, with what it takes to sample it again, or imported as it was found."""

    prompt_key: str
    """The prompt's key."""
    text: str
    """The answer, without special tokens."""
    finish: Literal["stop", "length", "unknown"]
    """`stop`: the model ended it (EOS). `length`: it was cut at max_new_tokens. `unknown`: imported; training takes it
    as whole."""
    tokens: int = Field(ge=0)
    """Tokens generated, the final EOS included; 0 for an imported answer, whose tokens are not known."""
    sampler: str
    """Digest of model, revision, engine and sampling parameters, see generate/sampling.py; `imported` for an imported
    answer."""
    seed: int
    """The seed that the engine was given."""
    index: int = Field(ge=0)
    """Which of the prompt's n samples this is."""

    @cached_property
    def key(self) -> str:
        """Digest of what a judge sees: the prompt and the text."""
        return response_key(self.prompt_key, self.text)


class Pair(Record):
    """Two different answers to one prompt. `a` and `b` carry no preference; a vote's `order` says which came first."""

    prompt: Prompt
    """The prompt, whole, so that a pair can be read alone."""
    a: Response
    """One answer."""
    b: Response
    """The other answer."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.a.text == self.b.text:
            raise ValueError("a pair needs two different responses")
        if self.a.prompt_key != self.b.prompt_key or self.a.prompt_key != self.prompt.key:
            raise ValueError("both responses of a pair must answer its prompt")
        return self

    @cached_property
    def key(self) -> str:
        """Digest of both responses (which cover the prompt)."""
        return pair_key(self.a.key, self.b.key)


def response_key(prompt_key: str, text: str) -> str:
    """The key of the response that says `text` to this prompt."""
    return digest("response", prompt=prompt_key, text=text)


def pair_key(a: str, b: str) -> str:
    """The key of the pair with these responses' keys."""
    return digest("pair", a=a, b=b)
