"""Any server that speaks OpenAI's protocol, through the official client: a remote API, Ollama, `vllm serve`.

    settings = OpenAiEngine(type="openai", base_url="http://127.0.0.1:8000/v1")
    engine = open_engine("server", settings, served_model("name-on-the-server", settings, None))

The server renders its own chat template and counts its own tokens (0 where it counts none). An answer that was refused,
filtered or lost on the way comes back as a Failure, which a judge makes a failed vote: never half an answer or a tie.
"""

from __future__ import annotations

import ipaddress
import math
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_token_logprob import TopLogprob
from pydantic import BaseModel

from constitution.errors import ModelError, harmless
from constitution.identity import seed_from
from generate.engine import (
    Completion,
    Conversation,
    Drawn,
    Failure,
    ModelRef,
    Readout,
    Sampling,
    unread,
    unwritten,
)
from generate.readout import missing_mass, reads_as, sum_spellings
from generate.served import address
from generate.server_failures import Server, bound_body, explain_failure, no_completion, without_key
from generate.settings import OpenAiEngine
from generate.strict_schema import server_schema

TOP_LOGPROBS = 20
"""The most that the protocol allows."""
NO_KEY = "none"
IMPOSSIBLE_LOGP = 1e-3
"""A log-probability above this is no rounding: such a list is not a distribution."""


class OpenAiRunner:
    """A model behind a server; see generate/engine.py for what each method promises.

    `sample` raises ModelError where the server cannot be reached or refuses; the others say so in each result. The
    client's own retries are the only ones. Neither its key nor an exception that knows it leaves this class.
    """

    def __init__(self, name: str, settings: OpenAiEngine, model: ModelRef) -> None:
        """Connects to nothing yet. Raises ModelError if the key is missing."""
        self.name = name
        self.model = model
        self._settings = settings
        self._server = Server(address(settings), model.name, settings, read_key(settings))
        seconds = settings.timeout_seconds
        self._client = openai.OpenAI(
            api_key=self._server.key,
            base_url=self._server.url,
            timeout=seconds,
            max_retries=settings.max_retries,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [lambda reply: bound_body(reply, seconds)]}),
        )

    def sample(
        self, conversations: Sequence[Conversation], n: int, sampling: Sampling, seed: int
    ) -> list[list[Completion]]:
        """One request an answer: with `n` in one request, nobody says how many tokens each answer has.

        Reproducible only as far as the server heeds `seed`. Raises ModelError if `sampling` has a top_k.
        """
        if sampling.top_k:
            raise ModelError(f"the engine `{self.name}` has no top_k, as OpenAI's protocol has none: leave it out")
        drawn = n if sampling.temperature > 0 else 1
        requests = [
            self._request(
                conversation,
                max_tokens=sampling.max_new_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=seed_from(seed, place, index),
            )
            for place, conversation in enumerate(conversations)
            for index in range(drawn)
        ]
        answers = [_completion(answer, self._server) for answer in self._ask_all(requests)]
        # Outside of `except`, so that no trace of the client's exception, whose request holds the key, hangs on ours.
        if failures := [answer.failure for answer in answers if answer.failure]:
            raise ModelError(next((f for f in failures if f.stops), failures[0]).said)
        return [answers[i : i + drawn] * (n // drawn) for i in range(0, len(answers), drawn)]

    def read_choices(self, conversations: Sequence[Conversation], choices: Sequence[str]) -> list[Readout]:
        """One token each, with the server's 20 most probable ones; see `read_top`."""
        requests = [
            self._request(conversation, max_tokens=1, temperature=0, logprobs=True, top_logprobs=TOP_LOGPROBS)
            for conversation in conversations
        ]
        return [self._readout(answer, choices) for answer in self._ask_all(requests)]

    def complete_json(
        self,
        conversations: Sequence[Conversation],
        schema: type[BaseModel],
        max_new_tokens: int,
        drawn: Drawn | None = None,
    ) -> list[Completion]:
        """Decoding under the server's structured outputs; a seed is heeded as far as the server heeds it."""
        form = {"name": schema.__name__, "strict": True, "schema": server_schema(schema, keeps_limits(self._settings))}
        requests = [
            self._request(
                conversation,
                max_tokens=max_new_tokens,
                temperature=drawn.temperature if drawn else 0,
                response_format={"type": "json_schema", "json_schema": form},
                **({"seed": drawn.seeds[place]} if drawn else {}),
            )
            for place, conversation in enumerate(conversations)
        ]
        return [_completion(answer, self._server) for answer in self._ask_all(requests)]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, conversation: Conversation, **arguments: Any) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in conversation]
        return {"model": self.model.path, "messages": messages, **arguments}

    def _ask_all(self, requests: Sequence[dict[str, Any]]) -> list[ChatCompletion | Failure]:
        """In order. After a failure that no other request could escape, those not begun are not asked."""
        stopped = threading.Event()

        def ask(request: dict[str, Any]) -> ChatCompletion | Failure:
            if stopped.is_set():
                return Failure("not_asked", "not asked, because another request had failed for good")
            answer = self._ask(request)
            if isinstance(answer, Failure) and answer.stops:
                stopped.set()
            return answer

        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix=self.name) as pool:
            return list(pool.map(ask, requests))

    def _ask(self, request: dict[str, Any]) -> ChatCompletion | Failure:
        try:
            answer: Any = self._client.chat.completions.create(**request)
        except (openai.OpenAIError, ValueError) as error:
            return explain_failure(error, self._server)
        whole = isinstance(answer, ChatCompletion) and answer.choices and answer.choices[0].message is not None
        return answer if whole else no_completion(self._server)

    def _readout(self, answer: ChatCompletion | Failure, choices: Sequence[str]) -> Readout:
        if isinstance(answer, Failure):
            return unread(answer)
        choice = answer.choices[0]
        prompt_tokens = answer.usage.prompt_tokens if answer.usage else 0
        if failure := _refused(answer):
            return unread(failure)._replace(prompt_tokens=prompt_tokens)
        if not choice.logprobs or not choice.logprobs.content or not choice.logprobs.content[0].top_logprobs:
            said = (
                f"the server at {self._server.url} gives no log-probabilities for `{self.model.name}`, and `readout: "
                "direct` is made of them: use `readout: reasoned`"
            )
            return unread(Failure("bad_request", said, stops=True))
        return read_top(choice.logprobs.content[0].top_logprobs, choices)._replace(prompt_tokens=prompt_tokens)


def read_top(top: Sequence[TopLogprob], choices: Sequence[str]) -> Readout:
    """Each choice's log-probability, all spellings summed (with or without spaces), from the likeliest tokens.

    A choice that is not listed is at most as probable as the last one listed, and as what the list leaves. That bound
    stands for it, so that a preference is never overstated; but where no choice is listed at all, nothing is known,
    and all are impossible (minus infinity), which a judge marks as failed. Numbers that are no log-probabilities give
    NaN for all.
    """
    if any(math.isnan(t.logprob) or t.logprob > IMPOSSIBLE_LOGP for t in top):
        return Readout((math.nan,) * len(choices), 1.0, 0)
    listed = [[t.logprob for t in top if reads_as(t.token) == choice.strip(" ")] for choice in choices]
    logps = [sum_spellings(found) if found else -math.inf for found in listed]
    missing = missing_mass(logps)
    if not any(listed):
        return Readout(tuple(logps), missing, 0)
    rest = 1 - math.fsum(math.exp(t.logprob) for t in top)
    bound = min(min(t.logprob for t in top), math.log(rest) if rest > 0 else -math.inf)
    return Readout(tuple(logp if found else bound for logp, found in zip(logps, listed, strict=True)), missing, 0)


def read_key(settings: OpenAiEngine) -> str:
    """The key from the environment; a placeholder where none is set and the server is on this machine.

    Raises ModelError, without the key, if it is missing or could not be sent.
    """
    name = settings.api_key_env
    key = os.environ.get(name, "").strip()
    if not key and _is_loopback(address(settings)):
        return NO_KEY
    if not key:
        raise ModelError(
            f"the environment variable {name} is not set: it must hold the key of the server at {address(settings)} "
            "(any word, if that server wants none)"
        )
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"the environment variable {name} holds characters that no key has: set it again")
    return key


def keeps_limits(settings: OpenAiEngine) -> bool:
    """Whether the server is sent limits on lengths: a plain-http server is mostly one's own, an https one an API."""
    chosen = settings.length_limits
    return urlsplit(address(settings)).scheme == "http" if chosen is None else chosen


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(answer: ChatCompletion) -> Failure | None:
    """Anything but a natural end or the token limit (a content filter, a tool call) is no answer to what was asked."""
    choice = answer.choices[0]
    if choice.message.refusal:
        return Failure("refused", "the model refused")
    if choice.finish_reason not in ("stop", "length"):
        return Failure("refused", f"the server withheld the answer (`{harmless(str(choice.finish_reason))[:40]}`)")
    return None


def _completion(answer: ChatCompletion | Failure, server: Server) -> Completion:
    if isinstance(answer, Failure):
        return unwritten(answer)
    choice, usage = answer.choices[0], answer.usage
    failure = _refused(answer)
    text = "" if failure else without_key(choice.message.content or "", server)
    finish: Literal["stop", "length"] = "length" if choice.finish_reason == "length" else "stop"
    tokens_out, tokens_in = (usage.completion_tokens, usage.prompt_tokens) if usage else (0, 0)
    return Completion(text, finish, tokens_out, tokens_in, failure)
