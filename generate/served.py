"""The identity of a model behind a server: what can be known of it, and no more.

A server tells its model's name, not its weights. Nobody here can verify them: an API's model may change under its name,
and a local server may have been started with another quantisation. So a served model's revision is a digest of where
the server is, what it calls the model and the user's own `revision`; whoever knows that the weights have changed says
so by changing that word, and every vote is asked again.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from constitution.identity import digest
from generate.engine import ModelRef
from generate.settings import OpenAiEngine

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_PORTS = {"http": 80, "https": 443}


def address(settings: OpenAiEngine) -> str:
    """The server's base URL. Named in full even when it is the default, so that OPENAI_BASE_URL cannot redirect it."""
    return (settings.base_url or OPENAI_URL).rstrip("/")


def served_model(name: str, settings: OpenAiEngine, revision: str | None) -> ModelRef:
    """`name` on this server. Asks nobody: the server need not be there until the first vote.

    The host, its port and the path count, the scheme does not: a gateway may serve different models under its paths.
    """
    parts = urlsplit(address(settings))
    host = f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}{parts.path}"
    return ModelRef(name=name, path=name, revision=digest("served", host=host, model=name, revision=revision))
