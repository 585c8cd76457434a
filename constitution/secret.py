"""What may hold a key or a password: not shown in messages.

Lines of strangers are searched, so every expression takes time that grows with the text, not with its square: what may
be repeated ends where the next address begins.
"""

from __future__ import annotations

import re

_WEB = r"(?:https?|s?ftp)://"
_REST = r"(?:(?!://)[^?#\s`])*"
_NAMES = r"(?:sig|signature|token|key|secret|password|credential)"
_USER = r"[^/@:\s`]*:(?!:)[^/\s`]*@"
_SLASHED = r"[^/@:\s`]+:(?!:|\d+/)(?:(?!://)[^@\s`])*@"
"""A password with a slash in it, as providers make them; `host:8000/x@y` is none."""
_NAMED_QUERY = rf"{_REST}\?(?:(?!://)[^\s`])*?{_NAMES}="

MAY_HOLD_A_SECRET = re.compile(
    rf"(?<!github)://(?:{_USER}|{_SLASHED})|{_WEB}(?:[^/@]*@|(?:(?!://)[^?#])*[?#])|://{_NAMED_QUERY}", re.IGNORECASE
)
"""A user with a password, a query that names a key, or on the web any user or query; `github://org:repo@commit/...` is
none."""
_NAMED = re.compile(r"(?:api_?key|token|password|secret)[\"']?\s*[:=]", re.IGNORECASE)
_USERS = re.compile(rf"(?<!github)(://)(?:{_USER}|{_SLASHED})|({_WEB})[^/\s`]*@", re.IGNORECASE)
_QUERIES = re.compile(rf"({_WEB}{_REST}[?#]|://{_REST}\?(?=(?:(?!://)[^\s`])*?{_NAMES}=))[^\s`]+", re.IGNORECASE)


def may_be_shown(line: str) -> bool:
    """Whether a line of a file can be quoted: no address with a key is in it, and nothing that is called a key."""
    return not (MAY_HOLD_A_SECRET.search(line) or _NAMED.search(line))


def without_secrets(message: str) -> str:
    """The message with `***` for users, passwords and queries of addresses."""
    return _QUERIES.sub(r"\1***", _USERS.sub(lambda found: f"{found[1] or found[2]}***@", message))
