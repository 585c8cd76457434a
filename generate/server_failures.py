"""What a failure of a server means: a sentence for the user, and whether question, server or key is at fault.

Nothing of the key is in any sentence: the server's own words are cut and rid of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import openai

from constitution.errors import harmless
from generate.engine import Failure
from generate.quiet import first_line
from generate.settings import OpenAiEngine

SAID_CHARS = 200
MAX_BODY_BYTES = 8 * 2**20
"""No answer that a judge could use is longer; a server that sends more is not listened to."""
TOO_LONG_CODES = ("context_length_exceeded",)
TOO_LONG_WORDS = ("context length", "context window", "maximum model length", "max_model_len", "prompt is too long")
SHORTEST_SECRET = 8
"""Characters. A shorter word is a placeholder for a server that wants no key, and answers may hold it by chance."""
FILTER_CODES = ("content_filter", "content_policy_violation")


class BodyRefused(openai.OpenAIError):
    """A body that is too large or comes too slowly. The client raises this kind of error at once, without a retry."""


class Server(NamedTuple):
    """What a sentence about a server may say, and the key, which it must not."""

    url: str
    model: str
    settings: OpenAiEngine
    key: str


def without_key(text: str, server: Server) -> str:
    """What a server sent, with the key taken out if the server repeats it, be it cut off in its second half."""
    key = server.key
    shortest = max(SHORTEST_SECRET, len(key) // 2)
    if len(key) >= SHORTEST_SECRET and key[:shortest] in text:
        for end in range(len(key), shortest - 1, -1):
            text = text.replace(key[:end], "***")
    return text


def bound_body(response: Any, seconds: float) -> None:
    """Let a response's body take at most `seconds` in all and MAX_BODY_BYTES, decompressed. A hook of the HTTP client.

    The client's own timeout starts anew with every piece that arrives, so a server that sends a byte now and then could
    hold a request for ever.
    """
    whole = response.iter_bytes
    deadline = time.monotonic() + seconds

    def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
        size = 0
        for chunk in whole(chunk_size):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise BodyRefused("large")
            if time.monotonic() > deadline:
                raise BodyRefused("slow")
            yield chunk

    response.iter_bytes = iter_bytes


def explain_failure(error: Exception, server: Server) -> Failure:
    """What kind of failure the client's exception is, and the sentence for it."""
    url, name = server.url, server.model
    match error:
        case BodyRefused() if str(error) == "large":
            return Failure(
                "bad_answer", f"the server at {url} sent more than {MAX_BODY_BYTES // 2**20} MiB as one answer"
            )
        case openai.APITimeoutError() | BodyRefused():
            seconds = f"{server.settings.timeout_seconds:g}"
            return Failure(
                "timeout",
                f"the server at {url} did not answer within {seconds} s: raise `timeout_seconds`, or ask for less",
            )
        case openai.APIConnectionError() if _never_connected(error):
            return Failure(
                "unreachable", f"no server can be reached at {url}: start it, or check `base_url`", stops=True
            )
        case openai.APIConnectionError():
            return Failure("connection_lost", f"the server at {url} broke the connection before its answer was whole")
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            variable = server.settings.api_key_env
            return Failure(
                "denied",
                f"the server at {url} refuses the key ({error.status_code}): check the environment variable {variable}",
                stops=True,
            )
        case openai.NotFoundError():
            return Failure(
                "bad_request",
                f"the server at {url} does not know the model `{name}` ({_said(error, server)}): check `model`, and "
                "`base_url`, which mostly ends in /v1",
                stops=True,
            )
        case openai.APIStatusError():
            return _explain_status(error, server)
        case _:
            return no_completion(server)


def _explain_status(error: openai.APIStatusError, server: Server) -> Failure:
    url, said = server.url, _said(error, server)
    refused = f"the server at {url} refused a request for `{server.model}`: {error.status_code}, {said}"
    if error.status_code == 429:
        retries = f"`max_retries: {server.settings.max_retries}`"
        return Failure(
            "busy",
            f"the server at {url} lets no more requests through (429, {said}) with {retries}: lower `concurrency`, "
            "raise `max_retries`, or check your quota",
        )
    if error.status_code >= 500 or error.status_code in (408, 409):
        return Failure("server_error", refused)
    words = said.casefold()
    if error.code in TOO_LONG_CODES or any(word in words for word in TOO_LONG_WORDS):
        return Failure("too_long", refused)
    if error.code in FILTER_CODES:
        return Failure("refused", refused)
    return Failure("bad_request", refused, stops=True)


def no_completion(server: Server) -> Failure:
    """The answer is not what a server of this kind sends."""
    return Failure(
        "bad_answer",
        f"what answers at {server.url} is no OpenAI-compatible server: check `base_url`, which mostly ends in /v1",
    )


def _never_connected(error: openai.APIConnectionError) -> bool:
    return type(error.__cause__).__name__ in ("ConnectError", "UnsupportedProtocol", "ProxyError")


def _said(error: openai.APIStatusError, server: Server) -> str:
    """The server's own words, cut, with the key and control characters taken out."""
    body = error.body
    words = body.get("message") or body.get("detail") if isinstance(body, Mapping) else None
    text = without_key(str(words or error.response.reason_phrase), server)
    return harmless(first_line(Exception(text)))[:SAID_CHARS]
