"""Where data is, as it may be written down: a path, or a URL that fsspec knows, without a key in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from constitution.secret import MAY_HOLD_A_SECRET

KEYLESS = (
    "must not hold a user, a password or a query: this address is written down with the data. Let fsspec take the key "
    "from where it keeps keys (its own configuration, the provider's environment variables)"
)


def _without_secrets(where: str) -> str:
    if MAY_HOLD_A_SECRET.search(where):
        raise PydanticCustomError("may_hold_secret", "{said}", {"said": KEYLESS})
    return where


Address = Annotated[str, AfterValidator(_without_secrets)]
