"""Any server that speaks OpenAI's protocol, through the official client: a remote API, Ollama, `vllm serve`.

    settings = OpenAiEngine(type="openai", base_url="http://127.0.0.1:8000/v1")
    engine = open_engine("server", settings, served_model("name-on-the-server", settings, None))

The server renders its own chat template and counts its own tokens (0 where it counts none). An answer that was refused
or filtered comes back as an empty text, which a judge marks as failed: it is never half an answer and never a tie.
"""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion_token_logprob import TopLogprob
from pydantic import BaseModel

from constitution.errors import ModelError, harmless
from constitution.identity import seed_from
from generate.engine import Completion, Conversation, ModelRef, Readout, Sampling
from generate.quiet import first_line
from generate.readout import missing_mass, sum_spellings
from generate.served import address
from generate.settings import OpenAiEngine

TOP_LOGPROBS = 20
"""The most that the protocol allows."""
NO_KEY = "none"
SAID_CHARS = 200


class OpenAiRunner:
    """A model behind a server; see generate/engine.py for what each method promises.

    Every method raises ModelError where the server cannot be reached or refuses. The client's own retries are the only
    ones. Neither its key nor an exception that knows it leaves this class.
    """

    def __init__(self, name: str, settings: OpenAiEngine, model: ModelRef) -> None:
        """Connects to nothing yet. Raises ModelError if the key is missing."""
        self.name = name
        self.model = model
        self._settings = settings
        self._url = address(settings)
        self._key = read_key(settings)
        self._client = openai.OpenAI(
            api_key=self._key,
            base_url=self._url,
            timeout=settings.timeout_seconds,
            max_retries=settings.max_retries,
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
        answers = [_completion(answer) for answer in self._ask_all(requests)]
        return [answers[i : i + drawn] * (n // drawn) for i in range(0, len(answers), drawn)]

    def read_choices(self, conversations: Sequence[Conversation], choices: Sequence[str]) -> list[Readout]:
        """One token each, with the server's 20 most probable ones; see `read_top`.

        Raises ModelError if the server gives no log-probabilities.
        """
        requests = [
            self._request(conversation, max_tokens=1, temperature=0, logprobs=True, top_logprobs=TOP_LOGPROBS)
            for conversation in conversations
        ]
        return [self._readout(answer, choices) for answer in self._ask_all(requests)]

    def complete_json(
        self, conversations: Sequence[Conversation], schema: type[BaseModel], max_new_tokens: int, seed: int
    ) -> list[Completion]:
        """Greedy decoding under the server's structured outputs; `seed` has no part in it."""
        form = {"name": schema.__name__, "strict": True, "schema": schema.model_json_schema()}
        requests = [
            self._request(
                conversation,
                max_tokens=max_new_tokens,
                temperature=0,
                response_format={"type": "json_schema", "json_schema": form},
            )
            for conversation in conversations
        ]
        return [_completion(answer) for answer in self._ask_all(requests)]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, conversation: Conversation, **arguments: Any) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in conversation]
        return {"model": self.model.path, "messages": messages, **arguments}

    def _ask_all(self, requests: Sequence[dict[str, Any]]) -> list[ChatCompletion]:
        # The first failure ends the call: `map` cancels what has not begun.
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix=self.name) as pool:
            return list(pool.map(self._ask, requests))

    def _ask(self, request: dict[str, Any]) -> ChatCompletion:
        try:
            answer: Any = self._client.chat.completions.create(**request)
        except (openai.OpenAIError, ValueError) as error:
            problem = self._explain(error)
        else:
            if isinstance(answer, ChatCompletion) and answer.choices:
                return answer
            problem = self._no_completion()
        # Outside of `except`, so that no trace of the client's exception, whose request holds the key, hangs on ours.
        raise problem

    def _no_completion(self) -> ModelError:
        return ModelError(
            f"what answers at {self._url} is no OpenAI-compatible server: check `base_url`, which mostly ends in /v1"
        )

    def _explain(self, error: Exception) -> ModelError:
        """One sentence for what went wrong, with nothing of the key in it."""
        url, name = self._url, self.model.name
        match error:
            case openai.APITimeoutError():
                seconds = f"{self._settings.timeout_seconds:g}"
                said = (
                    f"the server at {url} did not answer within {seconds} s: raise `timeout_seconds`, or ask for less"
                )
            case openai.APIConnectionError():
                said = f"no server can be reached at {url}: start it, or check `base_url`"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                said = (
                    f"the server at {url} refuses the key ({error.status_code}): check the environment variable "
                    f"{self._settings.api_key_env}"
                )
            case openai.NotFoundError():
                said = (
                    f"the server at {url} does not know the model `{name}` ({self._said(error)}): check `model`, and "
                    "`base_url`, which mostly ends in /v1"
                )
            case openai.RateLimitError():
                said = (
                    f"the server at {url} lets no more requests through (429, {self._said(error)}) with "
                    f"`max_retries: {self._settings.max_retries}`: lower `concurrency`, raise `max_retries`, or "
                    "check your quota"
                )
            case openai.APIStatusError():
                said = f"the server at {url} refused a request for `{name}`: {error.status_code}, {self._said(error)}"
            case _:
                return self._no_completion()
        return ModelError(said)

    def _said(self, error: openai.APIStatusError) -> str:
        """The server's own words, cut, with the key and control characters taken out."""
        body = error.body
        words = body.get("message") or body.get("detail") if isinstance(body, Mapping) else None
        text = first_line(Exception(words or error.response.reason_phrase))
        return harmless(text.replace(self._key, "***"))[:SAID_CHARS]

    def _readout(self, answer: ChatCompletion, choices: Sequence[str]) -> Readout:
        choice = answer.choices[0]
        prompt_tokens = answer.usage.prompt_tokens if answer.usage else 0
        if _refused(answer):
            return Readout((-math.inf,) * len(choices), 1.0, prompt_tokens)
        if not choice.logprobs or not choice.logprobs.content or not choice.logprobs.content[0].top_logprobs:
            raise ModelError(
                f"the server at {self._url} gives no log-probabilities for `{self.model.name}`, and `readout: direct` "
                "is made of them: use `readout: reasoned`"
            )
        return read_top(choice.logprobs.content[0].top_logprobs, choices)._replace(prompt_tokens=prompt_tokens)


def read_top(top: Sequence[TopLogprob], choices: Sequence[str]) -> Readout:
    """Each choice's log-probability, all spellings summed (with or without spaces), from the likeliest tokens.

    A choice that is not listed is at most as probable as the last one listed, and as what the list leaves. That bound
    stands for it, so that a preference is never overstated; but where no choice is listed at all, nothing is known,
    and all are impossible (minus infinity), which a judge marks as failed.
    """
    listed = [[t.logprob for t in top if t.token.strip(" ") == choice.strip(" ")] for choice in choices]
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


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(answer: ChatCompletion) -> bool:
    """Anything but a natural end or the token limit (a content filter, a tool call) is no answer to what was asked."""
    choice = answer.choices[0]
    return choice.finish_reason not in ("stop", "length") or bool(choice.message.refusal)


def _completion(answer: ChatCompletion) -> Completion:
    choice, usage = answer.choices[0], answer.usage
    text = "" if _refused(answer) else choice.message.content or ""
    finish: Literal["stop", "length"] = "length" if choice.finish_reason == "length" else "stop"
    return Completion(text, finish, usage.completion_tokens if usage else 0, usage.prompt_tokens if usage else 0)
