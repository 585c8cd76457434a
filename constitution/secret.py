"""What may hold a key or a password: not shown in messages."""

from __future__ import annotations

import re

MAY_HOLD_A_SECRET = re.compile(r"(?<!github)://[^/@]*:[^/@]*@|(?:https?|s?ftp)://(?:[^/]*@|[^?#]*[?#])")
"""A user with a password, or on the web a user or a query; `github://org:repo@commit/...` is none."""
_NAMED = re.compile(r"(?:api_?key|token|password|secret)[\"']?\s*[:=]", re.IGNORECASE)
_USER = re.compile(r"(?<!github)(://)[^/@\s`]*:[^/@\s`]*@|((?:https?|s?ftp)://)[^/@\s`]*@")
_QUERY = re.compile(r"((?:https?|s?ftp)://[^?\s`]*\?)[^\s`]+")


def may_be_shown(line: str) -> bool:
    """Whether a line of a file can be quoted: no address with a key is in it, and nothing that is called a key."""
    return not (MAY_HOLD_A_SECRET.search(line) or _NAMED.search(line))


def without_secrets(message: str) -> str:
    """The message with `***` for users, passwords and queries of addresses."""
    return _QUERY.sub(r"\1***", _USER.sub(lambda found: f"{found[1] or found[2]}***@", message))
