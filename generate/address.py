"""Where data is, as it may be written down: a path, or a URL that fsspec knows, without a key in it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

MAY_HOLD_A_SECRET = re.compile(r"(?<!github)://[^/@]*:[^/@]*@|(?:https?|s?ftp)://(?:[^/]*@|[^?#]*[?#])")
"""A user with a password, or on the web a user or a query; `github://org:repo@commit/...` is none."""
KEYLESS = (
    "must not hold a user, a password or a query: this address is written down with the data. Let fsspec take the key "
    "from where it keeps keys (its own configuration, the provider's environment variables)"
)


def _without_secrets(where: str) -> str:
    if MAY_HOLD_A_SECRET.search(where):
        raise PydanticCustomError("may_hold_secret", "{said}", {"said": KEYLESS})
    return where


Address = Annotated[str, AfterValidator(_without_secrets)]
